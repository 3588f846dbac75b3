// Package wiregen makes Go code from the table of a binary protocol: structs,
// codecs, constants, a registry and typed request methods.
//
// A protocol is two text files. The protocol package keeps them beside its
// code, and what is generated is committed:
//
//	//go:generate go run github.com/connects-go/connects/internal/wiregen/cmd
//
// The same tables always give the same bytes; with -check the command writes
// nothing and fails when a generated file is not what the tables give.
//
// # Lines
//
// Both files consist of lines. Blank lines and lines that begin with # mean
// nothing, indentation means nothing. A line is a keyword and words; after
// " -- " follows text for people, which becomes documentation. An error names
// file and line.
//
// # enums.txt
//
//	enum AgentState USHORT AGENT_STATE_     a group of constants: name, type, prefix
//	mask PGStatus UINT PGS_                 the same for bits that are combined
//	note ...                                text for the documentation of the group
//	value AGENT_STATE_LOGIN 0               a constant of the group above
//	const NULL_CALL_ID 4294967295           a constant without a group
//
// The Go name of a value is the group and the rest of the name after the prefix,
// of a mask also without the suffix _MASK: AgentStateLogin. A prefix of "-" is
// none; several are separated by |, and the first that fits is taken. When two names have one number, String gives the first.
//
// # messages.txt
//
// First the tags, each before its use:
//
//	tag CLIENT_ID_TAG 1 STRING 64 -- text
//
// are name, number (? when it is not published), type and largest size in bytes.
// Options: since=N and until=N, the protocol versions that have it.
//
// Then the messages:
//
//	message OPEN_REQ 3 client->server       name, number, direction
//
// with the directions client->server, server->client, both. Below it, in any
// order but for fields, which stand in wire order:
//
//	category session             group; one generated file for each
//	status verified              or assumed (no good source), or opaque (layout not
//	                             public: the struct has a raw Body and no fields)
//	role request                 or confirm, event, send (from the client, without
//	                             an answer)
//	confirm OPEN_CONF            the answer; a request has one
//	answer CONFIG_KEY_EVENT      the answer of a message without invoke id
//	since 5                      first version
//	alt 267                      number that another part of the guide prints
//	invoke body                  an opaque request or confirmation: the invoke id is
//	                             taken to be the first four bytes of the body (assumed)
//	bylength 8=23 10=24          body of 8 bytes: fixed part as in version 23, and so on,
//	                             whatever the session's version is
//	header                       an opaque message that consists of a header only
//	doc text                     what the message is for
//	note text                    what a user should know besides
//	known A B C                  an opaque message: fields of which only the name is known
//	fixed NAME TYPE              a field of the fixed part
//	field NAME TYPE MAX TAG      a floating field: largest size, name of the tag
//	list NAME COUNT ENTRY        begins a list, end ends it
//
// Types are CHAR UCHAR SHORT USHORT INT UINT ULONG BOOL TIME STRING UNSPEC NAMEDVAR
// NAMEDARRAY TASKID; a fixed UNSPEC has its size, UNSPEC:8.
//
// Options of fixed and field:
//
//	since=N until=N     versions that have the field
//	enum=GROUP          group of constants
//	required            always written
//	typed=FIELD         required, but left out when empty while FIELD, a number of the
//	                    fixed part, is 0xFFFF
//	always              member of a list: always written (options of a list's numbers)
//	count               number of entries of a list, given by the list
//	max<20=32           largest size before a version
//	or=TAG              tag that is accepted besides
//	default=FIELD       when zero, the value of FIELD is written (same message)
//	secret              a password: no value in texts and logs
//	packed              one field may hold several elements; they are split
//	assumed             the tag or the type rests on a conclusion
//
// A list has the name of its Go field, the count field (fixed, or a floating one
// with the option count) and the name of the entry's Go type; ENTRY "-" makes it
// a slice of the values of its only field. Lists with the same entry must have
// the same members. Options: max=N, the largest published number of entries;
// inline=N, entries for which a decoded message has room without another
// allocation; anyorder, the member that comes first opens the entries. Otherwise
// the first member does; in both cases a member that comes again opens one too. A list may
// stand within a list.
//
// # What the package provides by hand
//
// Generated code uses these names of its package: Version, Tag, MessageType,
// Floating, Presence, Bits, NamedVar, NamedArray, TaskID, ParseTaskID, FieldValue, decoder,
// encoder, visitor, listState, floating, Raw, MessageInfo, Requests and do. The cti package
// shows how they look.
package wiregen
