package workcenter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/crm/workcenter"
)

// login hides nothing, so that cmp shows which password a test got.
type login struct {
	ID, Name, Password, Device, Media string
	Default                           bool
}

func flat(l *workcenter.Login) login {
	return login{l.AgentID, l.AgentName, l.Password.Reveal(), l.Device, l.Media.String(), l.DefaultPassword}
}

var users = workcenter.MapUsers(map[string]string{"MEIER": "7001", "long": "123456789012", "EMPTY": ""})

func TestParse(t *testing.T) {
	t.Parallel()
	type config = workcenter.Config
	def := config{DefaultPassword: "dflt"}
	type1 := config{Type: 1, AgentByUser: users}
	type1def := config{Type: 1, AgentByUser: users, DefaultPassword: "dflt"}
	tests := []struct {
		name string
		cfg  config
		text string
		want login
	}{
		{"type 0 in full", config{}, "7001;pw;3005;pm2c2", login{"7001", "", "pw", "3005", "pm2c2", false}},
		{"type 0 without media", config{}, "7001;pw;3005", login{"7001", "", "pw", "3005", "p", false}},
		{"type 0 with empty media", config{}, "7001;pw;3005;", login{"7001", "", "pw", "3005", "p", false}},
		{"blanks around fields", config{}, " 7001 ; p w ; 3005 ; p ", login{"7001", "", " p w ", "3005", "p", false}},
		{"line end at the end", config{}, "7001;pw;3005\r\n", login{"7001", "", "pw", "3005", "p", false}},
		{"letters of a password stay", config{}, "7001;Pä$$,wörd;3005;m", login{"7001", "", "Pä$$,wörd", "3005", "m", false}},
		{"other default media", config{DefaultMedia: workcenter.Media{Phone: true, Chats: 2}}, "7001;pw;3005", login{"7001", "", "pw", "3005", "pc2", false}},
		{"shadow login", config{AllowShadow: true}, "7001;pw;3005;pSL", login{"7001", "", "pw", "3005", "pSL", false}},
		{"shadow login alone keeps the default media", config{AllowShadow: true}, "7001;pw;3005;sl", login{"7001", "", "pw", "3005", "pSL", false}},
		{"agent without a password", config{AllowEmptyPassword: true}, "7001;;3005", login{"7001", "", "", "3005", "p", false}},

		{"default password, field left empty", def, "7001;;3005;c", login{"7001", "", "dflt", "3005", "c", true}},
		{"default password, field left out", def, "7001;3005", login{"7001", "", "dflt", "3005", "p", true}},
		{"default password, field left out, media", def, "7001;3005;m6c5", login{"7001", "", "dflt", "3005", "m6c5", true}},
		{"default password, field left out, empty media", def, "7001;3005;", login{"7001", "", "dflt", "3005", "p", true}},
		{"typed password wins over the default", def, "7001;pw;3005", login{"7001", "", "pw", "3005", "p", false}},
		{"typed password wins over the default, media", def, "7001;pw;3005;p", login{"7001", "", "pw", "3005", "p", false}},

		{"type 1", type1, "pw;3005;pc", login{"7001", "", "pw", "3005", "pc", false}},
		{"type 1 without media", type1, "pw;3005", login{"7001", "", "pw", "3005", "p", false}},
		{"type 1, default password", type1def, "3005", login{"7001", "", "dflt", "3005", "p", true}},
		{"type 1, default password, media", type1def, "3005;pm", login{"7001", "", "dflt", "3005", "pm", true}},
		{"type 1, default password, empty field", type1def, ";3005;m", login{"7001", "", "dflt", "3005", "m", true}},
		{"type 1, default, but typed", type1def, "pw;3005", login{"7001", "", "pw", "3005", "p", false}},

		{"type 5", config{Type: 5}, "anna.meier;pw;3005", login{"", "anna.meier", "pw", "3005", "p", false}},
		{"type 5 with names known", config{Type: 5, AgentByName: workcenter.MapUsers(map[string]string{"anna.meier": "7002"})},
			"Anna.Meier;pw;3005", login{"7002", "Anna.Meier", "pw", "3005", "p", false}},

		{"type 21", config{Type: 21, AgentByUser: users}, "3005", login{"7001", "", "", "3005", "p", true}},
		{"type 21 with media and default", config{Type: 21, AgentByUser: users, DefaultPassword: "dflt"}, "3005;pmc", login{"7001", "", "dflt", "3005", "pmc", true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := workcenter.New(&tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Parse(t.Context(), "meier", tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, flat(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	type config = workcenter.Config
	directory := errors.New("directory is down")
	tests := []struct {
		name  string
		cfg   config
		user  string
		text  string
		field workcenter.Field
		place int
		char  int
		is    error
	}{
		{"empty", config{}, "", "", "text", 0, 0, workcenter.ErrMissing},
		{"blank", config{}, "", " \t ", "text", 0, 0, workcenter.ErrMissing},
		{"only separators", config{}, "", ";;;", "agentid", 1, 0, workcenter.ErrMissing},
		{"no password and no device", config{}, "", "7001", "password", 2, 0, workcenter.ErrMissing},
		{"no device", config{}, "", "7001;pw", "device", 3, 0, workcenter.ErrMissing},
		{"empty device", config{}, "", "7001;pw;", "device", 3, 0, workcenter.ErrMissing},
		{"empty password", config{}, "", "7001;;3005", "password", 2, 0, workcenter.ErrMissing},
		{"empty agent id", config{}, "", ";pw;3005", "agentid", 1, 0, workcenter.ErrMissing},
		{"too many fields", config{}, "", "7001;p;w;3005;p", "text", 0, 0, workcenter.ErrTooMany},
		{"unknown medium", config{}, "", "7001;pw;3005;px", "media", 4, 2, workcenter.ErrMedia},
		{"medium twice", config{}, "", "7001;pw;3005;pmp", "media", 4, 3, workcenter.ErrMedia},
		{"seven action items", config{}, "", "7001;pw;3005;m7", "media", 4, 2, workcenter.ErrMedia},
		{"six chats", config{}, "", "7001;pw;3005;pc6", "media", 4, 3, workcenter.ErrMedia},
		{"no chats", config{}, "", "7001;pw;3005;c0", "media", 4, 2, workcenter.ErrMedia},
		{"S alone", config{AllowShadow: true}, "", "7001;pw;3005;pS", "media", 4, 2, workcenter.ErrMedia},
		{"shadow not permitted", config{}, "", "7001;pw;3005;pSL", "media", 4, 0, workcenter.ErrShadow},
		{"agent id too long", config{}, "", "123456789012;pw;3005", "agentid", 1, 0, workcenter.ErrTooLong},
		{"device too long", config{}, "", "7001;pw;" + strings.Repeat("3", 64), "device", 3, 0, workcenter.ErrTooLong},
		{"password too long", config{}, "", "7001;" + strings.Repeat("s", 64) + ";3005", "password", 2, 0, workcenter.ErrTooLong},
		{"text too long", config{}, "", strings.Repeat("3", 513), "text", 0, 0, workcenter.ErrTooLong},
		{"blank in the agent id", config{}, "", "70 01;pw;3005", "agentid", 1, 3, workcenter.ErrCharacter},
		{"zero byte in the password", config{}, "", "7001;p\x00w;3005", "password", 2, 0, workcenter.ErrCharacter},
		{"not UTF-8", config{}, "", "7001;p\xffw;3005", "text", 0, 0, workcenter.ErrCharacter},
		{"type 1 without device", config{Type: 1, AgentByUser: users}, "MEIER", "pw", "device", 2, 0, workcenter.ErrMissing},
		{"type 21 with three fields", config{Type: 21, AgentByUser: users}, "MEIER", "7001;pw;3005", "text", 0, 0, workcenter.ErrTooMany},
		{"type 21, unknown user", config{Type: 21, AgentByUser: users}, "MUELLER", "3005", "agentid", 0, 0, workcenter.ErrNoAgent},
		{"type 21, user without id", config{Type: 21, AgentByUser: users}, "empty", "3005", "agentid", 0, 0, workcenter.ErrNoAgent},
		{"mapped id too long", config{Type: 21, AgentByUser: users}, "LONG", "3005", "agentid", 0, 0, workcenter.ErrTooLong},
		{"mapper fails", config{Type: 21, AgentByUser: func(context.Context, string) (string, error) { return "", directory }},
			"MEIER", "3005", "agentid", 0, 0, directory},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := workcenter.New(&tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Parse(t.Context(), tt.user, tt.text)
			var e *workcenter.Error
			if !errors.As(err, &e) || !errors.Is(err, tt.is) {
				t.Fatalf("error %v, want an *Error with %v", err, tt.is)
			}
			type where struct {
				Field       workcenter.Field
				Place, Char int
			}
			if diff := cmp.Diff(where{tt.field, tt.place, tt.char}, where{e.Field, e.Place, e.Char}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if e.Want != p.Form() || !strings.Contains(err.Error(), p.Form()) {
				t.Errorf("%q does not say what was expected", err)
			}
		})
	}
}

func TestErrorNeverShowsWhatWasTyped(t *testing.T) {
	t.Parallel()
	const secret = "Zq7kXw"
	for _, cfg := range []workcenter.Config{
		{}, {DefaultPassword: secret}, {Type: 1, AgentByUser: users}, {Type: 5}, {Type: 21, AgentByUser: users},
	} {
		p, err := workcenter.New(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			secret, "7001;" + secret, "7001;3005;" + secret, "7001;x;3005;" + secret, secret + ";" + secret + ";;;;",
			"7001;" + secret + "\x00;3005", secret + " x;y;z", "7001;" + strings.Repeat(secret, 20) + ";3005",
		} {
			if _, err := p.Parse(t.Context(), "nobody", text); err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("type %v: %v", cfg.Type, err)
			}
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	l := &workcenter.Login{Password: "geheim"}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("login", "password", l.Password, "login", *l, "pointer", l)
	}
	js, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(js)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		all += fmt.Sprintf(verb, l.Password) + fmt.Sprintf(verb, *l)
	}
	all += fmt.Sprint(l.Password, l) + fmt.Sprintln(l.Password)
	if strings.Contains(all, "geheim") || strings.Contains(all, fmt.Sprintf("%x", "geheim")) {
		t.Errorf("the password shows: %s", all)
	}
	if l.Password.Reveal() != "geheim" {
		t.Error("Reveal does not give the password")
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	_, err := workcenter.New(&workcenter.Config{
		Type:            1,
		DefaultPassword: workcenter.Secret(strings.Repeat("x", 64) + "\x01"),
		DefaultMedia:    workcenter.Media{ActionItems: 7, Chats: 6, Shadow: true},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"AgentByUser", "DefaultPassword has 65", "control character", "7 action items", "AllowShadow"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q misses %q", err, part)
		}
	}
	if _, err := workcenter.New(&workcenter.Config{Type: 2}); err == nil {
		t.Error("type 2 was taken")
	}
	if _, err := workcenter.New(nil); err != nil {
		t.Errorf("nil configuration: %v", err)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	got := map[workcenter.LoginType]string{}
	for _, lt := range []workcenter.LoginType{0, 1, 5, 21, 7} {
		got[lt] = lt.Form()
	}
	// Operations reference, section 4.1.
	want := map[workcenter.LoginType]string{
		0: "agentid;password;device[;media]", 1: "password;device[;media]",
		5: "agentname;password;device[;media]", 21: "device[;media]", 7: "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if s := workcenter.LoginType(7).String(); s != "LoginType(7)" {
		t.Error(s)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"7001;pw;3005;pm2c2", "pw;3005", "3005;pSL", ";;;", "7001;;3005;", "a;b;c;d;e"} {
		f.Add(0, s, true)
		f.Add(21, s, false)
	}
	f.Fuzz(func(t *testing.T, lt int, text string, def bool) {
		cfg := &workcenter.Config{Type: workcenter.LoginType(lt), AgentByUser: users, AllowShadow: true}
		if def {
			cfg.DefaultPassword = "dflt"
		}
		p, err := workcenter.New(cfg)
		if err != nil {
			t.Skip()
		}
		l, err := p.Parse(context.Background(), "MEIER", text)
		if err != nil {
			var e *workcenter.Error
			if !errors.As(err, &e) || e.Field == "" || e.Want == "" {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		if l.Device == "" || l.AgentID == "" && l.AgentName == "" || l.Media == (workcenter.Media{}) {
			t.Fatalf("incomplete: %+v", l)
		}
		if pw := l.Password.Reveal(); strings.Contains(pw, ";") || pw == "" && (def || l.Type != workcenter.TypeDevice) {
			t.Fatalf("password of %d bytes", len(pw))
		}
	})
}

func FuzzMedia(f *testing.F) {
	for _, s := range []string{"", "p", "pm2c3SL", "m6", "c9", "slp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := workcenter.ParseMedia(s)
		if err != nil {
			return
		}
		again, err := workcenter.ParseMedia(m.String())
		if err != nil || again != m {
			t.Fatalf("%q -> %+v -> %q -> %+v, %v", s, m, m.String(), again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	p, err := workcenter.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Parse(b.Context(), "MEIER", "7001;pw;3005;pm2c2"); err != nil {
			b.Fatal(err)
		}
	}
}
