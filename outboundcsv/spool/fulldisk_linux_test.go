package spool_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv/spool"
)

// smallSpool is a queue whose spool has room for 2 MB.
func smallSpool(t *testing.T, change func(*spool.Options)) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	for _, d := range []string{"import", "spool"} {
		if err := os.Mkdir(filepath.Join(b.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	disk := filepath.Join(b.dir, "spool")
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("SKIPPED: no right to mount a small disk, run as root or with CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.q.Close(), syscall.Unmount(disk, 0)); err != nil {
			t.Error(err)
		}
	})
	b.open(change)
	return b
}

func (b *bench) spooled() []string {
	b.t.Helper()
	all, err := filepath.Glob(filepath.Join(b.dir, "spool", "lists", "*"))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range all {
		all[i] = filepath.Base(all[i])
	}
	return all
}

func TestFullSpool(t *testing.T) {
	for name, skip := range map[string]bool{"": false, "with rows compared": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := smallSpool(t, func(o *spool.Options) { o.SkipRepeats = skip })
				b.accept("C", "1", calls("a", "b"))
				b.step()
				before := b.spooled()
				refuse := func(n int) {
					t.Helper()
					_, err := b.q.Accept(t.Context(), spool.Source{Campaign: "C", Key: "2"}, rows("r", n))
					if !errors.Is(err, spool.ErrSpool) || !errors.Is(err, syscall.ENOSPC) {
						t.Fatalf("%v, want ErrSpool and the reason", err)
					}
					if s := b.q.Status(); !errors.Is(s.Refusing, syscall.ENOSPC) || s.Waiting != 1 {
						t.Fatalf("%+v", s)
					}
					if diff := cmp.Diff(before, b.spooled()); diff != "" {
						t.Fatalf("files in the spool (-want +got):\n%s", diff)
					}
				}
				refuse(30_000) // more than there is room for at any time
				refuse(30_000)
				// Room for a few blocks only, so that every write on the way is the one that fails.
				ballast := filepath.Join(b.dir, "spool", "ballast")
				for free := 64 << 10; free >= 0; free -= 4 << 10 {
					fill(t, ballast, free)
					r, err := b.q.Accept(t.Context(), spool.Source{Campaign: "D", Key: string(rune('A' + free>>12))}, rows("r", 100))
					switch {
					case err == nil:
						if l, err := b.q.List(r.ID); err != nil || l.Received != 100 {
							t.Errorf("accepted with %d bytes free, and then %+v %v", free, l, err)
						}
						before = b.spooled()
					case !errors.Is(err, spool.ErrSpool):
						t.Errorf("with %d bytes free: %v", free, err)
					}
					if diff := cmp.Diff(before, b.spooled()); diff != "" {
						t.Fatalf("%d bytes free: files in the spool (-want +got):\n%s", free, diff)
					}
				}
				if s := b.q.Status(); s.Refusing == nil {
					t.Fatal("no byte was free, and nothing was refused")
				}
				accepted := b.states()
				// It recovers by itself, but not while the disk is full.
				time.Sleep(time.Minute)
				_ = b.q.Step(t.Context())
				if s := b.q.Status(); s.Refusing == nil {
					t.Error("lists are refused for a full disk, and the status does not say so")
				}
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				b.step()
				if s := b.q.Status(); s.Refusing != nil || s.Problem != nil {
					t.Errorf("there is room: %+v", s)
				}
				// Nothing is lost, also by a restart, and the sender may send again.
				if err := b.q.Close(); err != nil {
					t.Fatal(err)
				}
				b.open(nil)
				if got := b.states(); got != accepted {
					t.Errorf("states %q after a restart, want %q", got, accepted)
				}
				if r := b.accept("C", "2", rows("r", 500)); r.Repeated {
					t.Error("a list that was refused counts as accepted")
				}
				if got := b.take(); !strings.HasPrefix(got, "a,") {
					t.Errorf("file %q", got)
				}
			})
		})
	}
}

// fill leaves so many bytes of the small disk free.
func fill(t *testing.T, name string, free int) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(name), &st); err != nil {
		t.Fatal(err)
	}
	if n := int(st.Bavail)*int(st.Bsize) - free; n > 0 {
		if err := os.WriteFile(name, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
