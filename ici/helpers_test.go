package ici_test

// call is a hand-written request envelope with one operation.
func call(ns, op, params string) []byte {
	open := "m:" + op + ` xmlns:m="` + ns + `"`
	end := "m:" + op
	if ns == "" {
		open, end = op, op
	}
	return []byte(`<?xml version="1.0"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">` +
		`<SOAP-ENV:Header><h:user xmlns:h="urn:IciItemInterface">MEIER</h:user><h:language xmlns:h="urn:IciItemInterface">DE</h:language></SOAP-ENV:Header>` +
		`<SOAP-ENV:Body><` + open + `>` + params + `</` + end + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`)
}
