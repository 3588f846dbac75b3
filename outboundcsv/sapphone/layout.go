package sapphone

// Layout is how a field or parameter lies in memory, for a transport whose library
// wants to be told. Lengths and places are in bytes.
type Layout struct {
	// Kind is the letter that RFC uses: C, N, D, T, b, s, I, 8, F, P, X, g (string) or y
	// (byte string); 0 for a structure.
	Kind byte
	// Size and Offset hold where a character has two bytes, Size1 and Offset1 where it has
	// one. Strings have the size 0.
	Size, Offset   int
	Size1, Offset1 int
}

// Layout returns the layout of a parameter of prepared definitions; its offsets are 0.
func (f *Field) Layout() Layout {
	return Layout{Kind: byte(f.kind), Size: f.size, Size1: f.size1()}
}

func (f *Field) size1() int {
	switch f.kind {
	case kindChar, kindNumc, kindDate, kindTime:
		return f.size / 2
	}
	return f.size
}

// Layout returns the layouts of the fields, in their order, and the length of the
// structure where a character has one byte; LengthBytes is the other one. A place that the
// definition gives in bytes holds for two bytes a character only: with one, the field
// follows the one before, aligned.
func (t *Type) Layout() (fields []Layout, length1 int) {
	end, align := 0, 1
	for i := range t.Fields {
		f := &t.Fields[i]
		l := f.Layout()
		l.Offset = f.offset
		a := f.kind.align()
		if l.Size1 != l.Size {
			a = 1
		}
		align = max(align, a)
		l.Offset1 = (end + a - 1) / a * a
		if f.OffsetChars != nil && f.OffsetBytes == nil {
			l.Offset1 = max(*f.OffsetChars, end)
		}
		end = l.Offset1 + l.Size1
		fields = append(fields, l)
	}
	length1 = (end + align - 1) / align * align
	if t.LengthChars > 0 {
		length1 = max(length1, t.LengthChars)
	}
	return fields, min(length1, t.LengthBytes)
}

// Decode turns the bytes of a value of this type into text, as a handler sees it:
// characters without trailing blanks, digits of NUMC complete, numbers in decimal, bytes
// in hexadecimal. A value that is too short is padded, one that is too long is an error.
func (f *Field) Decode(b []byte, big bool) (string, error) { return f.decode(b, big) }

// Encode is the reverse of Decode. Text that does not fit is an error, not cut.
func (f *Field) Encode(s string, big bool) ([]byte, error) { return f.encode(s, big) }
