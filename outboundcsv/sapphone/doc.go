// Package sapphone receives call lists from SAP: the functions that SAP calls in an
// external telephony server (SAPphone), and the ways on which such calls arrive.
//
// # What is known and what is not
//
// The description of SAPphone is a document for partners of SAP. Public are the names
// SPS_MAKE_CALL, SPS_DELETE_PDCALL, SPS_CAMPAIGNS_GET and
// SPS_ASSIGNED_CAMPAIGNS_GET, and structures such as SPH_IOCONT; the function that
// uploads planned calls and its row are not. So this package knows no function by
// name. A definition file ([ParseDefinitions]) says which functions there are, what their
// parameters and rows look like, and what they mean. A call that it does not explain
// fails in SAP with a clear text; SAP never takes a list for transferred that is not on
// our disk.
//
// # Completing the definition file
//
// With a developer's or display user of the own SAP system:
//
//  1. SE37 or SE80: look for SPS_* and SP_* in the packages SPHO and SPH1. Where a function
//     exists as an empty module, its interface is the answer. It need not exist in the
//     calling system.
//  2. RS_ABAP_SOURCE_SCAN (or CODE_SCANNER) for SPS_ in those packages: every CALL FUNCTION
//     'SPS_...' DESTINATION shows parameter names, the types of the actual parameters the
//     structures.
//  3. SE11 for these structures: fields, types, lengths.
//  4. Record: run the connector with a [Recorder] and RecordOnly, activate a small call
//     list (or use transaction SPHT), and read the recordings: function and parameter names,
//     widths of rows, masked values.
//  5. Write the definition file and compare it with the recordings: [Definitions.Check]. Then
//     go live.
//
// (Steps 1 to 3 are assumed: from general knowledge of SAP NetWeaver 7.x.)
//
// # Transports
//
// [HTTP] is the default and needs no SAP library: an ABAP program posts the list. It takes
// RFC-SOAP, JSON, and at /lists/ planned calls without any definition. [Replay] plays
// recorded calls. Package nwrfc registers at an SAP gateway with the SAP NetWeaver RFC SDK, in
// a program that was built where the SDK is. Package cpic does so in pure Go; it is
// experimental and has never seen a real gateway.
//
// # The ABAP side of HTTP
//
// Create in SM59 a destination of type G (here CONNECTS) with host, port, path prefix empty,
// basic authentication or a client certificate, and SSL. Then, for example in a BAdI or a
// report that reads the call list:
//
//	DATA: lo_client TYPE REF TO if_http_client, lv_json TYPE string, lv_code TYPE i.
//	" gt_calls: table of a structure with fields id, firstname, lastname, and phones as a
//	" table of number; camel case is what pretty_mode makes of FIRST_NAME.
//	lv_json = /ui2/cl_json=>serialize( data        = gt_calls
//	                                   compress    = abap_true
//	                                   pretty_name = /ui2/cl_json=>pretty_mode-camel_case ).
//	cl_http_client=>create_by_destination( EXPORTING destination = 'CONNECTS'
//	                                       IMPORTING client      = lo_client ).
//	lo_client->request->set_method( if_http_request=>co_request_method_post ).
//	cl_http_utility=>set_request_uri( request = lo_client->request
//	                                  uri     = |/lists/{ gv_campaign }?system={ sy-sysid }&client={ sy-mandt }| ).
//	lo_client->request->set_header_field( name = 'Content-Type'    value = 'application/json; charset=utf-8' ).
//	lo_client->request->set_header_field( name = 'Idempotency-Key' value = gv_list_guid ).
//	lo_client->request->set_cdata( lv_json ).
//	lo_client->send( EXPORTING timeout = 300 EXCEPTIONS OTHERS = 1 ).
//	IF sy-subrc = 0.
//	  lo_client->receive( EXCEPTIONS OTHERS = 1 ).
//	ENDIF.
//	IF sy-subrc <> 0.            " no answer: send again later with the same key
//	  RAISE try_again.
//	ENDIF.
//	lo_client->response->get_status( IMPORTING code = lv_code ).
//	CASE lv_code.
//	  WHEN 200.                  " accepted; rejects are in the body
//	  WHEN 422.                  " every row was rejected
//	    RAISE all_rejected.
//	  WHEN 503.                  " later, with the same key
//	    RAISE try_again.
//	  WHEN OTHERS.
//	    RAISE failed.
//	ENDCASE.
//	lo_client->close( ).
//
// (Class and method names are assumed; check them in the system.) The key makes repeating
// safe. An integration platform that is registered as an RFC server, or a small JCo program, can
// post to /rfc/FUNCTION instead; SAP then sees a registered server and SAPphone works unchanged.
package sapphone
