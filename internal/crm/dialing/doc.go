// Package dialing turns telephone numbers of the switch into E.164 numbers for
// SAP and back, by the rules of one site.
//
// # Towards SAP
//
// SAP finds an account only by a number that begins with + and has no
// delimiters (operations reference, sections 3.1 and 11; ICI reference, section
// 8.2). [Plan.ToSAP] reads a caller's number, [Plan.DialedToSAP] one that an
// agent dialled. Delimiters, "sip:", "tel:", "@" with what follows, and leading
// slashes are dropped. Then the first rule that fits is taken:
//
//   - in front                          as it is
//     at most InternalMaxLength digits    + InternalPrefix number; without a prefix
//     the bare number
//     longest match of National and
//     International at the front          + replacement rest
//     none                                + number
//
// A caller without a number, or whose number has letters ("PrivateNumber"), is
// anonymous: SAP gets Rules.Anonymous, "0" by default.
//
// # Towards the switch
//
// [Plan.ToSwitch] takes what SAP or the agent gives: E.164, a national or
// international number as it is dialled in the country, or an internal number.
// A number below InternalPrefix becomes an internal one, one of the own country
// (National) its national form, any other its international form; the outside
// line prefix goes in front of the last two. Numbers with * or # are codes of
// the switch and pass as they are.
//
// The two directions fit together: DialedToSAP(ToSwitch(n)) is n for every E.164
// number whose dialled form is longer than an internal number.
//
// # What the references leave open
//
//	International          "00," is assumed; the setting's name is not public
//	Anonymous              "0" as another product does; any text is possible
//	letters in the middle  anonymous towards SAP, an error towards the switch
//	(0) after a + number   dropped: +41 (0)31 is +41 31
//	InternalMinLength      not in the old settings as far as they are public
//	OutsideLine            not in the old settings as far as they are public; agents
//	                       type numbers without it
//	internal, no prefix    the bare number: + would make it somebody else's
//
// # Concurrency
//
// A [Plan] never changes; any number of goroutines may use it.
package dialing
