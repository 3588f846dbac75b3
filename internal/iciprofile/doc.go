// Package iciprofile reads the text of an ICI profile: the file that names every service, operation, parameter, type
// member, code and namespace of SAP's Integrated Communication Interface.
//
// Two readers share it: package ici at run time and the generator internal/icigen. It knows the grammar and the
// cross-references, not what the names are used for. The grammar is described in ici/profile.txt.
package iciprofile
