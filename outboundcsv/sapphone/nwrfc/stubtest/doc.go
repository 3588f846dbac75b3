// Package stubtest is an SAP gateway and an ABAP program that calls, for tests of package
// nwrfc: the other side of the library in nwrfc/testdata/sdk, which takes the place of the
// SAP NetWeaver RFC SDK. It is there only with the build tags nwrfc and nwrfcstub, and with
// that library; the test of package nwrfc sees to both.
//
// The library checks what the API forbids (handles that are used after their end or by two
// threads, descriptions that do not fit together) and counts what is alive: see [Problems]
// and [Live]. What it answers is what the published descriptions say; where they are
// silent, for instance about a row of another width, it fails the call.
package stubtest
