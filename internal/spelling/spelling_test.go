package spelling_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/spelling"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"listen", "listen", 0}, {"", "abc", 3}, {"lisen", "listen", 1}, {"listten", "listen", 1},
		{"kitten", "sitting", 3}, {"ab", "ba", 2}, {strings.Repeat("x", 65), "x", 64},
	} {
		if got := spelling.Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := spelling.Distance(tt.b, tt.a); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

func ExampleDistance() {
	fmt.Println(spelling.Distance("tieafter", "tie_after"))
	// Output: 1
}
