// Package spool keeps lists of planned calls on disk from the moment they are
// accepted until the importer has taken them, and survives the loss of the
// process at any instruction: a list is accepted once, and its rows are in the
// import directory once.
//
//	q, err := spool.Open("/var/lib/connects/outbound", &spool.Options{
//		Profile: outboundcsv.DefaultProfile(),
//		File:    spool.File{Dir: `/mnt/import`, Name: "contacts.csv"},
//	})
//	...
//	go q.Run(ctx)
//	receipt, err := q.Accept(ctx, spool.Source{Campaign: "Spring"}, calls)
//
// # How a list travels
//
// [Queue.Accept] writes the rows to the spool, flushes them, notes the list in a
// journal and only then returns: from here on the list is ours. [Queue.Run] places
// one list after the other. A file that the importer has not taken is never
// touched; the next list waits behind it. What cannot be placed (disk full,
// directory gone or read-only, file locked, API away) waits as well, with the
// reason in [Status].
//
// # Exactly once
//
// The file is written in the import directory under a hidden name and flushed;
// the journal notes that it is about to be placed; one rename that refuses to
// replace gives it its name; the journal notes that it was placed. After a crash
// the hidden file decides: it is there, so the rename did not happen, or it is
// gone, so it did, whether or not the importer was faster than our restart. The
// hidden files are ours alone: whoever deletes one by hand tells the queue that
// the list was placed.
//
// A share that is not mounted looks like an import directory whose file was taken. So
// the directory gets a hidden mark (.NAME.queue); while a list is placed, a directory
// with another mark, or none, makes it wait with [ErrOtherDirectory]. Who has emptied the
// directory on purpose writes the mark of the list (see [List]) into that file again.
//
// With the Outbound API the journal notes every batch before it is sent and after
// it was accepted. A batch whose answer was lost is looked for in the campaign
// before it is sent again.
//
// # Two instances
//
// Instances that share a [Ledger] accept a list that the sender delivers to both
// only once. When they also share the directory above their spools, [Adopt] lets
// the survivor finish what the other one had accepted: it opens the journal of
// the dead instance (which the operating system lets only one process do) and
// goes on in its name, with its import file. It needs the other's spool and
// import directory under the same paths; without a shared disk the rows of the
// dead instance exist nowhere else, and no ledger can bring them back.
//
// # Repeated rows
//
// A list is the same when its rows are (within [Options.RepeatWindow]), or when its key
// is. A list that only overlaps another one is a new list, and all of its rows are
// placed: an import rule with Overwrite replaces what the file before had, so a row that
// is left out there is never dialled, and nothing on our side shows how a rule is set.
//
// Where rules append, [Options.SkipRepeats] goes further: a planned call that a list of
// the same campaign, system and client brought within the window, with the same id and
// the same content, is left out, reported as W_REPEATED, and counted in List.Repeats. So
// a sender that lost our answer may send its calls again in other packets. A call that
// was deleted in the meantime, or whose list failed, is no repeat. It takes 20 bytes for
// each row on disk, and with a ledger 8 bytes there until the window ends, at most
// 1,048,576 rows and 256 lists of a campaign; what is above is not compared between
// instances. The log warns in any case when two instances get lists of one campaign.
//
// # Deletions with two instances
//
// A sender may take a call back at another instance than the one that it sent the call
// to. [Queue.Delete] therefore asks every instance that has lists of the campaign; the
// ledger knows which do. The owner removes, withdraws or says that it is too late, and
// the asker answers for all of them, within [Options.AnswerWait]. A dead owner is
// answered for by the instance that can open its spool; where nobody can, the sender is
// told to ask again ([ErrSilent]) and the deletion waits in the ledger: an instance that
// comes back carries it out before it places anything. [Status] says who is waited for
// and since when; [Queue.Forget] ends that for an instance that is gone for good.
//
// # Deletions at the API
//
// The Outbound API can only delete a campaign whole. With Profile.Delete "api" a deletion
// replaces the campaign by what is still wanted of it, which begins its dialling anew.
// Instances that share a ledger agree on that: such a wipe is alone at the campaign, all
// of them notice it and send what they had there again, and one whose end a crash hides
// is repeated. A wipe waits, with the reason in [Status], while an instance that has rows
// in the campaign is away and nobody can open its spool, or has another delete policy:
// nobody would send its rows again. Lists do not wait behind it. All instances of a
// ledger talk to the same API, and their clocks differ by less than a minute.
//
// Without a ledger nobody else may have rows in these campaigns: they are lost with the
// first deletion, and nothing shows it. The log warns when such a queue is opened.
package spool
