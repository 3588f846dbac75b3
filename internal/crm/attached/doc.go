// Package attached handles the data that travel with a call, a chat or an action
// item: the call variables of the contact center on one side, the XML document
// ItemAttachedData of SAP on the other.
//
// # The document
//
//	<?xml version="1.0" encoding="UTF-8"?>
//	<ItemAttachedData>
//	  <Application id="SAP-IC">
//	    <CV01>4711</CV01> ... <CV10/>
//	    <MID>200815</MID>
//	    <ECC><user.ced>42</user.ced><user.test index="0">x</user.test></ECC>
//	    ... what SAP wrote itself
//	  </Application>
//	  <Application id="other">...</Application>
//	</ItemAttachedData>
//
// CV01 to CV10, MID and ECC are always there, even when empty, and Application
// SAP-IC is the part that SAP's Interaction Center reads (ICI reference, section
// 8; operations reference, section 5). A [Layout] writes it.
//
// A [Document] is what SAP wrote with setAttachedData. It is kept byte for byte:
// parts of other owners, and what SAP put into its own part beside the variables,
// go out again as they came. [Document.Merge] replaces the parts that a new
// document has and leaves the others.
//
// A [Mapping] finds the values in SAP's document that go back into call
// variables, expanded variables or the wrap-up data, and says which of them
// changed.
//
// # What the references leave open
//
// This table is the only place where the package goes beyond its sources.
//
//	element of ECC.user.ced       <user.ced> inside <ECC>; a dot is legal in a name
//	element of ECCA.user.test     <user.test index="n"> once per element, from 0
//	configured ECC without value  an empty element; an array has only what there is
//	odd characters in a name      _xHHHH_, as the .NET and SQL name rules do
//	CV, MID, ECC sent by SAP      not kept: the switch has the valid ones; a rule may
//	                              take them over
//	characters XML cannot hold    U+FFFD
//	other elements below the root kept like an Application without id
//	same Application twice        the last one counts
//	xmlns attributes of the root  moved into the parts that do not have them
//	merge by Application id       proposal of the ICI reference
//	line ends and tabs in values  a blank in call and expanded variables
//	rule without its element      the variable stays; an empty element clears it
//	two rules with one target     the first whose element is there
//	expanded arrays               given back whole, since what is left out vanishes
//
// # Limits
//
// A call variable has 40 bytes, an expanded variable 210, wrap-up data 39 (the
// field's 40 count the terminating zero), all in the code page of the contact
// center. [Cut] shortens on a character border; [Change] says that it happened.
// A document has at most [DefaultMaxBytes]; no document type, no own entities.
//
// # Errors
//
// A document that is refused gives a [*DocumentError] with the place. It holds
// nothing of the document.
//
// # Concurrency
//
// Document, Layout and Mapping never change; any goroutine may use them.
// [Variables] belong to their owner.
package attached
