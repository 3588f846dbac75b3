// Package lang gives the texts that agents see, in the language they logged on
// to SAP with: SAP draws the buttons, the texts of states, work modes and
// reasons come from us.
//
// # Files
//
// A directory holds one file per language, named by its code: EN.lfg, DE.lfg.
// A file is UTF-8 text (a byte order mark is tolerated) of sections and entries:
//
//	# not-ready reasons; the same must exist in the contact center
//	[workModeSupplementary]
//	1001=Lunch
//	1002=Coffee - tea
//
//	[callStatus]
//	1=Incoming call
//
// Section names and named entries do not mind the case. Texts are taken as
// they stand; SAP shows a hyphen in a work mode as a line break. The directory,
// the file names, the section workModeSupplementary, its numbers above 999 and
// the comment sign are those of the old product (operations reference, section
// 3.6). A table entry that it does not fix is assumed:
//
//	other section names     see [Section]; the numbers are the codes of the ICI
//	                        reference, section 7, the names those of its lists
//	comment sign            at the start of a line only, so that a text may hold #
//	more than 47 reasons    a warning: that was the old product's limit
//	unknown section, entry  a warning, so that files of the old product load
//	one-letter codes        D, E, F and so on as SAP stores languages
//
// # Which text is taken
//
// Per text: the file of the language, the English file, the built-in English.
// The built-in English has every text but no not-ready reasons. An unknown
// language is English. A text that nobody knows is its own code.
//
// # Reload
//
// [Texts.Reload] reads the files again and swaps all catalogs at once. A file
// with errors changes nothing for its language; the others are taken. A
// [Catalog] that a caller still holds stays as it was.
//
// # Concurrency
//
// Everything is safe for concurrent use. Readers take no lock.
package lang
