// Package outboundtest simulates the neighbours of the outbound connector: the
// configuration server with its Outbound API ([Server]) and the import process of
// a Logger that takes files out of a directory ([Importer]).
//
//	srv := outboundtest.NewServer(nil)
//	web := httptest.NewServer(srv)
//	api, err := outboundcsv.NewAPI(&outboundcsv.APIOptions{URL: web.URL + "/unifiedconfig/config", User: "admin", Password: "secret"})
//	...
//	srv.Records("5000") // what the dialer would have
package outboundtest
