// Package languages holds the language files that come with the connector, as
// examples to copy and as the texts of a connector without a directory of its own.
//
// There are EN.lfg, DE.lfg and FR.lfg, each with every text and eight not-ready
// reasons. Their form is described at the top of each file.
package languages

import (
	"embed"
	"io/fs"
)

//go:embed *.lfg
var files embed.FS

// FS returns the language files, at its top.
func FS() fs.FS { return files }
