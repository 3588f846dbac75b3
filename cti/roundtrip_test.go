package cti_test

import (
	"testing"

	"github.com/connects-go/connects/cti"
	"github.com/google/go-cmp/cmp"
)

func TestEmptyMessagesSurviveARoundTrip(t *testing.T) {
	for info := range cti.Messages() {
		for v := cti.MinVersion; v <= cti.MaxVersion; v++ {
			m := cti.NewMessage(info.Type)
			b, err := m.AppendTo(nil, v)
			if err != nil {
				if v >= cti.Version20 || info.Since <= v {
					t.Errorf("%v %v: %v", info.Name, v, err)
				}
				continue
			}
			back, err := cti.DecodeMessage(info.Type, b, v)
			if err != nil {
				t.Errorf("%v %v: %v", info.Name, v, err)
				continue
			}
			if d := cmp.Diff(m, back); d != "" && info.Status != cti.Opaque {
				t.Errorf("%v %v: (-want +got)\n%s", info.Name, v, d)
			}
		}
	}
}
