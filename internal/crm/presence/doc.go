// Package presence answers "which agents are there and what are they doing":
// an index of all known agents whose rows are written in advance, so that an
// answer is little more than a list of pointers.
//
// # Search
//
// The rules are those of the operations reference, section 4.5, and of the ICI
// reference, scenario S14:
//
//	empty, or *         all agents who are logged on
//	Meier               first or last name is Meier
//	Mei*                first or last name begins with Mei
//	Anna Mei*           both: terms separated by blanks are combined with AND
//	*eier, M*r          an error: * stands only at the end of a term
//
// Agents of all peripherals and skill groups are searched. There is no limit on
// the number of searches at a time. What the references leave open:
//
//	case and accents    do not matter: muller finds Müller, and so does mueller
//	names of two words  each word counts as a name, and so do the parts of a
//	                    name with a hyphen: Meier finds Anna Maria Meier-Huber
//	a term with a hyphen   matches the name with its hyphen
//	* as one of several terms   matches everybody: "* Meier" is Meier
//	search by name      finds agents who are logged off too; "all" does not
//	order               last name, first name, key
//
// # Concurrency
//
// Searches take no lock and may run in any number of goroutines beside changes.
// A search sees each agent as he was before or after a change, never mixed.
// [Index.Put] and [Index.Remove] may be called from any goroutine; they wait for
// each other. A change of state replaces one row; only a new agent, one who
// goes, and a changed name copy the order of the index.
package presence
