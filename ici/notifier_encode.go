package ici

// appendEvent writes the envelope of an event: header entries user and language, then appIds,
// then the parameters in the order given (reference ICI 4.5, 10.3).
func (s *eventSub) appendEvent(dst []byte, ev *Event) []byte {
	x := s.props.Load()
	var room [8]Arg
	args := append(room[:0], x.appIDs)
	args = append(args, ev.Params...)
	sys := s.host.key.system
	return sys.profile.AppendRequestStyle(dst, sys.style, x.header, ev.Op, args...)
}

// subProps is what the envelopes of a subscription have in common. It is replaced, never changed.
type subProps struct {
	sub    Subscription
	header Header
	appIDs Arg
}

func newSubProps(sub Subscription) *subProps {
	ids := append(Texts{sub.AppID}, sub.MoreAppIDs...)
	return &subProps{
		sub:    sub,
		header: Header{User: sub.User, Language: sub.Language},
		appIDs: Arg{Param: ParamAppIDs, Value: ids},
	}
}
