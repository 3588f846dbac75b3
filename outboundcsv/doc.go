// Package outboundcsv turns lists of planned calls into the files that an import
// rule of Cisco Outbound Option reads.
//
// # Rules
//
// A [Profile] describes the file. [Export] reads planned calls one at a time
// (from [ReadCalls] or any other sequence) and applies fourteen rules:
//
//  1. Rows keep the order received.
//  2. Of an id that comes twice the later content wins, at the place of the first (W_DUPLICATE_ID).
//  3. AccountNumber is the id, trimmed, never altered or cut.
//  4. Numbers are cleaned of what people write between digits, get the prefixes of the profile, and close up.
//     One that does not fit is dropped with a warning, never cut; a row without any is rejected.
//  5. Extensions stay with their number.
//  6. Names and custom values lose control characters, delimiters and double quotes (W_SANITIZED).
//  7. Characters outside the encoding become ? or reject the row, by profile.
//  8. Names and custom values are cut at their limit in UTF-16 units.
//  9. Time zones become bias (UTC minus local standard time) and daylight saving flag.
//  10. Rows of more than 1,024 UTF-16 units are rejected.
//  11. Every row ends with the line end, the last too unless the profile says otherwise. Nothing is ever quoted.
//  12. A code with E_ rejects its row, not the list.
//  13. A list without rows writes no file unless the profile asks for an empty one.
//  14. Characters that a spreadsheet takes for a formula are left alone.
//
// Sources: Cisco Outbound Option Guide for Unified CCE, Database Schema Handbook,
// Developer Reference (Outbound API); where Cisco documents nothing (encoding of
// import files, quotes, line end) the rules are decisions of this package.
//
// # Memory
//
// Converted rows wait in a spool file until the list has ended, because only
// then the last content of each id is known. Ids that came more than once are
// found with hashes of 4 bytes beside offsets of 4 bytes, 131,072 of them in memory and the others
// in a second file. Memory is about 2 MiB and does not grow with the list, but
// for 1 KiB for each 131,072 rows. A list in one piece of 128 KiB needs no file. The limit of
// a list is 32 GiB of rows.
package outboundcsv
