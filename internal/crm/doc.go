// Package crm is the connector's heart: it joins the agents and calls of Cisco
// peripherals (package cti) with the users and items of SAP's Interaction Center
// (package ici).
//
//	c, err := crm.New(cfg)
//	link := c.Link("pg1")
//	session, err := cti.NewSession(&cti.SessionOptions{Handler: link, Resync: link.Resync, ...})
//	link.Bind(session)
//	notifier, err := ici.NewNotifier(&ici.NotifierOptions{Gone: c.SubscriptionGone, ...})
//	c.BindNotifier(notifier)
//	err = c.Start(ctx)         // restores the agents from the store
//	err = session.Start()
//	server, err := ici.NewServer(c, &ici.ServerOptions{FaultText: c.FaultText})
//
// # Who owns what
//
// Every agent and every call belongs to one serial executor, the connector's
// strand. A CTI event, a request of SAP, a timer or the answer of the switch is
// a function that the strand runs; functions run one after the other in the
// order in which they were handed over, on the goroutine that handed the first
// of them over. So a CTI event that finds the strand idle is worked off by the
// goroutine of the CTI session itself, and the only hop on the way to SAP is the
// one into the notifier. Nothing that runs on the strand waits for anything: the
// switch is asked on goroutines of their own that hand their answer back, SAP
// is told through a queue, the store is written behind.
//
// No agent has a goroutine. A goroutine exists for each request that the switch
// has not answered yet; requests of one agent are sent one after the other.
// Searches for other agents read an immutable index beside the strand.
//
// What an agent's session is, is one plain value, saved under the agent's key
// after each change; see the comment of the type record. Who serves an agent is
// another key, taken by compare-and-swap. A record of the instance, renewed all
// the time, says that it lives: the agents of one that does not are taken over by
// the others, and so is an agent about whom SAP asks another connector.
//
// # How calls are followed
//
// Events are applied to what is known, never waited for (CTI reference, section
// 14). Functions only change state; flush then compares each touched item and
// agent with what SAP was told last and tells what differs, complete, with the
// capabilities that follow from the table in capability.go. So an event that
// comes twice, or says what is known, is silent.
//
// An item is one call at one agent's desktop. A conference is several items, one
// per agent; a transfer ends the items of one agent and changes those of the
// other. An item whose call goes on at another place ends with the text
// "takenElsewhere".
//
// # Agents of other connectors
//
// Connectors that share a store also share what SAP attaches, under the router key
// that a call keeps over transfer and conference. What an agent attaches is written
// behind, of one key one write at a time and the newest last; one watch brings it to
// the calls of that key at the other connectors, whose agents are told as of any
// change. So nothing on an agent's way waits for the store, a document that is
// overtaken by the call comes later, and the time from one agent to the other is one
// way to the store and one from it (with a Pair: the write on the deciding side).
//
// A write is bound to the revision that it was made from, and made anew on what
// another connector wrote meanwhile: of different parts of the document both stay,
// of the same part that with the higher revision. While no side of the store decides
// it is not bound, and the higher revision stays as a whole. The variables of the
// call travel with the call, not here. A connector that is alone does none of this.
//
// # One call with several router keys
//
// A consultation that the router sends on has a router key of its own, and begins with
// a copy of the document. What is attached to the original call from then on goes to
// the consultation too, not the other way round. When both become one call by
// CALL_CONFERENCED_EVENT, CALL_TRANSFERRED_EVENT or a connection that moves
// (CALL_DATA_UPDATE_EVENT), the peripherals keep different keys for it, and only that
// of the agent who joined them tells. His connector makes one of the keys:
//
//   - The smaller key, by day and number, is the root; normally it is that of the
//     customer's call. All data are there. The other one becomes an alias: a record of
//     the store that names a smaller key, kept as long as data. So there are no
//     circles, and connectors that join the same or overlapping calls at the same
//     moment, in any order, end at the same root.
//   - The document is that of both: of a part that both have, the consultation's, which
//     is the newer one; of calls that had nothing to do with each other, the original
//     call's. What does not fit into one document is left out, and logged.
//   - The root is written first, then the alias, bound to the revision whose content is
//     in the root. Whoever wrote under the other key in between is noticed and added,
//     whoever writes later meets the alias, and takes his parts to the root. The agents
//     of the other key see what the join brought after at most six ways to or from the
//     store (root written, alias written and told, root read), later changes after two.
//   - Whoever sees an alias shows the root's document to the calls of both keys, and
//     writes there. Whoever sees a document in the place of an alias that he knows, from
//     a connector that did not know it, adds what is new in it and writes the alias again.
//   - One call has at most 32 aliases. Keys above that stay as they are.
//
// A join that happens while the link to the switch is down is not seen; the keys stay
// different then.
//
// # What the references leave open
//
// This table is where the package decides. Everything else follows the ICI
// reference (scenarios S01 to S20), the CTI reference (sections 12 to 18), the
// CCE reference (sections 9 and 11) and the operations reference (section 4).
//
//	work mode during a call            the one the agent returns to; what he asks for is
//	                                   shown at once with the text "pending"
//	not ready with an unknown reason   mode 3 with the text of the reason; a reason below
//	                                   20000 is offset+reason when no file lists reasons
//	reason 50006 (dials while ready)   still ready: the ACD brings him back by itself
//	log off during a call              accepted: not ready now, off when the call has ended
//	wrap-up of a call                  after the agent's last conversation the item waits up
//	                                   to WrapUpWait for the ACD's word: wrap-up or ended
//	wrapUpRequired                     SET_AGENT_STATE(WORK_READY or WORK_NOT_READY)
//	reject                             DEFLECT_CALL to RejectTo, else CLEAR_CONNECTION
//	makeCall, consult                  answered at once with an item; the switch's id is tied
//	                                   to it by the confirmation or by an event
//	failed call                        told as failed; its connection is cleared for the agent
//	transfer with the calls swapped    ALTERNATE first, then TRANSFER when both have moved
//	remoteNumbers of a consultation    at the called agent: the colleague, then the customer
//	remoteNumbers of a conference      the customer, then the agents
//	phone numbers without a prefix     internal numbers stay bare when no InternalPrefix is set
//	refused by the switch              the item is told again unchanged, the reason as description
//	second getAttributes               ends the subscription, unless asked about somebody else
//	already signed on at the ACD       taken up when phone and password are right
//	                                   (ForcedFlag 2 checks the password only)
//	logged out while the link was down as Config.Lost says; passwords are not kept, so there
//	                                   is no new log on
//	pending mode over a failover       asked for again, since the switch forgets it
//	request while the link is down     fault timeout, at once
//	SAP away                           as Config.Gone says, after Config.GoneGrace
//	agents of the ACD without SAP      presence busy ("logged off from SAP only")
//	ended items                        answer for 60 s: drop again, late wrap-up data
//	END_CALL                           of one party when the peripheral begins calls once per
//	                                   party, else of the call; learned from what comes
//	attached data without a router key not shared between connectors
//	part in both of two joined calls   the consultation's, else the original call's
//	late reason of an agent who is out goes to the agents who are in; they change nothing
//	                                   that SAP is told about his ended item
//	call ids                           unique within a peripheral at a time, as in CCE
//	AGENT_STATE_EVENT                  MRD 1 and below is the telephone
package crm
