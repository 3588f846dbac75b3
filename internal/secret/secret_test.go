package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/secret"
)

func TestSecretNeverShows(t *testing.T) {
	s := secret.Text("Zq7kXw")
	in := struct{ Password secret.Text }{s}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", s, "in", in)
	js, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(js)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, in), fmt.Sprintf(verb, &in), fmt.Sprintf(verb, []secret.Text{s}))
	}
	for _, text := range shown {
		for _, bad := range []string{"Zq7kXw", fmt.Sprintf("%x", "Zq7kXw"), fmt.Sprintf("%X", "Zq7kXw")} {
			if strings.Contains(text, bad) {
				t.Errorf("%q shows the secret", text)
			}
		}
	}
	if s.Reveal() != "Zq7kXw" || secret.Text("").String() != "" || s.String() == "" {
		t.Error("reveal, or an empty secret that looks set")
	}
}

func TestSecretIsReadAndCompared(t *testing.T) {
	var in struct{ Password secret.Text }
	if err := json.Unmarshal([]byte(`{"Password":"Zq7kXw"}`), &in); err != nil || in.Password.Reveal() != "Zq7kXw" {
		t.Fatal(err)
	}
	for _, other := range []string{"", "Zq7kX", "Zq7kXw ", "zq7kxw"} {
		if in.Password.Is([]byte(other)) {
			t.Errorf("equals %q", other)
		}
	}
	if !in.Password.Is([]byte("Zq7kXw")) {
		t.Error("does not equal itself")
	}
}
