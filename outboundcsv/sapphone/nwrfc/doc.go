// Package nwrfc is a registered RFC server on top of the SAP NetWeaver RFC SDK: SAPphone
// works through it unchanged, as at any telephony server. SAP gives the SDK to its
// customers only, so this package is built with the tag nwrfc, where the SDK is. Without
// the tag it has the same names, and [New] and [Server.Serve] return [ErrNotBuilt].
//
//	srv, err := nwrfc.New(&nwrfc.Options{Gateway: "sapgw.example.com:sapgw00", Program: "connects.OB1", Definitions: defs})
//	...
//	err = srv.Serve(ctx, handler)
//
// It has never seen the real SDK nor a real gateway: it was written from the published
// descriptions of the API (help.sap.com, "SAP NetWeaver RFC SDK"; SAP/PyRFC, SAP/gorfc and
// SAP/node-rfc) and is tested against a library of our own with the same functions
// (testdata/sdk).
//
// # Building
//
// Get the SDK 7.50 from SAP (note 2573790 says how), unpack it, and build on Linux with
//
//	export SAPNWRFC_HOME=/usr/local/sap/nwrfcsdk
//	export CGO_ENABLED=1
//	export CGO_CFLAGS="-I$SAPNWRFC_HOME/include"
//	export CGO_LDFLAGS="-L$SAPNWRFC_HOME/lib"
//	go build -tags nwrfc ./examples/outbound
//	LD_LIBRARY_PATH=$SAPNWRFC_HOME/lib ./outbound serve -config outbound.toml
//
// A C compiler is needed. The macros of Linux that the headers want (SAPonUNIX, SAPonLIN,
// SAPwithUNICODE, SAPwithTHREADS) are set here; for another system, add those that SAP
// names for it (note 2573953) to CGO_CFLAGS. In place of LD_LIBRARY_PATH, a file in
// /etc/ld.so.conf.d with the directory does.
//
// # In SAP
//
//   - SM59: a destination of type T, activation type Registered Server Program, the same
//     Program ID (case matters), gateway host and gateway service filled in, communication
//     type Unicode. Any serializer does.
//   - Gateway: the file reginfo has to permit the Program ID, this host, and as many
//     registrations as are configured, such as "P TP=connects.OB1 HOST=ob1.example.com
//     ACCESS=internal CANCEL=internal NO=4"; read it again in SMGW. Where the gateway
//     monitors external programs by secinfo, permit the calls there.
//   - SPH1: the telephony server with that destination. SPHT makes test calls.
//
// (Numbers of notes, and SPH1 with SPHT, are from general knowledge of SAP: assumed.)
//
// # What differs from package cpic
//
// The SDK needs the interface of a function before it can take its call. It is built
// from the definition file, so no user of SAP is needed to ask for it, but the call of a
// function that the file does not have arrives only as a name: SAP gets a system failure,
// and the [Options.Recorder] gets the name without parameters. Record unknown interfaces
// with package cpic or read them in SE37.
//
// The SDK cannot tell whether a parameter came. One that the definition calls optional and
// that has its initial value is taken as absent.
package nwrfc
