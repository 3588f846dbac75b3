package sapphone

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// errSyntax is the text of a call that cannot be read.
var errSyntax = errors.New("sapphone: call cannot be read")

// maxRowText is the largest row of a call in text form.
const maxRowText = 256 << 10

func (t *HTTP) serveJSON(w http.ResponseWriter, r *http.Request, function string) {
	c, spills, err := readJSON(r.Body, t.o.SpillDir)
	defer closeAll(spills)
	var res *Result
	if err == nil {
		c.Func = function
		res, err = t.call(r, c)
	}
	if err != nil {
		t.refuse(w, err)
		return
	}
	t.answer(w, http.StatusOK, map[string]any{"parameters": res.Out, "tables": res.Tables})
}

func closeAll(spills []*Spill) {
	for _, s := range spills {
		_ = s.Close() // rows of a call that is over
	}
}

// readJSON reads a call; its rows go to the disk one by one.
func readJSON(r io.Reader, dir string) (*Call, []*Spill, error) {
	c := &Call{In: map[string]Value{}, Tables: map[string]Table{}}
	d := json.NewDecoder(r)
	d.UseNumber()
	var spills []*Spill
	bad := func(err error) (*Call, []*Spill, error) {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, spills, err
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, spills, fmt.Errorf("%w: byte %d: %w", errSyntax, d.InputOffset(), err)
	}
	err := object(d, func(key string) error {
		switch key {
		case "system":
			return d.Decode(&c.Caller.System)
		case "client":
			return d.Decode(&c.Caller.Client)
		case "parameters":
			return object(d, func(name string) error {
				s, err := scalar(d)
				c.In[name] = Value{Text: s}
				return err
			})
		case "tables":
			return object(d, func(name string) error {
				if _, ok := c.Tables[name]; ok {
					return fmt.Errorf("table %q comes twice", name)
				}
				s, err := NewSpill(dir)
				if err != nil {
					return err
				}
				spills = append(spills, s)
				if err := delim(d, '['); err != nil {
					return err
				}
				for d.More() {
					fields := map[string]string{}
					size := 0
					if err := object(d, func(f string) error {
						v, err := scalar(d)
						fields[f] = v
						if size += len(f) + len(v); size > maxRowText {
							return ErrTooLarge
						}
						return err
					}); err != nil {
						return err
					}
					if err := s.Add(Row{Fields: fields}); err != nil {
						return err
					}
				}
				c.Tables[name] = s.Table(0)
				return delim(d, ']')
			})
		}
		return fmt.Errorf("unknown key %q", key)
	})
	if err != nil {
		return bad(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return bad(errors.New("data after the call"))
	}
	return c, spills, nil
}

func delim(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("want %v", want)
	}
	return err
}

// object calls f at the value of every key.
func object(d *json.Decoder, f func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return errors.New("want a key")
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

// scalar reads a string, number, boolean (X or blank, as ABAP has it) or null.
func scalar(d *json.Decoder) (string, error) {
	t, err := d.Token()
	if err != nil {
		return "", err
	}
	switch v := t.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		if v {
			return "X", nil
		}
		return "", nil
	case nil:
		return "", nil
	}
	return "", errors.New("want a plain value")
}
