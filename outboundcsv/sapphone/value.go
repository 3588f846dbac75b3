package sapphone

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
)

// kind is an ABAP type by the letter that RFC uses (EXID).
type kind byte

const (
	kindChar    kind = 'C'
	kindNumc    kind = 'N'
	kindDate    kind = 'D'
	kindTime    kind = 'T'
	kindInt1    kind = 'b'
	kindInt2    kind = 's'
	kindInt4    kind = 'I'
	kindInt8    kind = '8'
	kindFloat   kind = 'F'
	kindPacked  kind = 'P'
	kindRaw     kind = 'X'
	kindString  kind = 'g'
	kindXString kind = 'y'
)

var kinds = map[string]kind{
	"CHAR": kindChar, "NUMC": kindNumc, "CLNT": kindChar, "LANG": kindChar, "DATS": kindDate, "TIMS": kindTime, "INT1": kindInt1, "INT2": kindInt2,
	"INT4": kindInt4, "INT8": kindInt8, "FLTP": kindFloat, "DEC": kindPacked, "CURR": kindPacked, "QUAN": kindPacked, "RAW": kindRaw,
	"STRING": kindString, "XSTRING": kindXString,
	"C": kindChar, "N": kindNumc, "D": kindDate, "T": kindTime, "b": kindInt1, "s": kindInt2, "I": kindInt4, "8": kindInt8, "F": kindFloat,
	"P": kindPacked, "X": kindRaw, "g": kindString, "y": kindXString,
}

// sized kinds need a length.
func (k kind) sized() bool { return strings.ContainsRune("CNPX", rune(k)) }

// size is the length in bytes on a Unicode connection.
func (k kind) size(n int) int {
	switch k {
	case kindChar, kindNumc:
		return 2 * n
	case kindDate:
		return 16
	case kindTime:
		return 12
	case kindInt1:
		return 1
	case kindInt2:
		return 2
	case kindInt4:
		return 4
	case kindInt8, kindFloat:
		return 8
	}
	return n
}

func (k kind) align() int {
	switch k {
	case kindChar, kindNumc, kindDate, kindTime, kindInt2:
		return 2
	case kindInt4:
		return 4
	case kindInt8, kindFloat:
		return 8
	}
	return 1
}

var (
	errLong  = errors.New("longer than its type")
	errValue = errors.New("not a value of its type")
)

// pad fills a value that was cut at its trailing blanks.
func (f *Field) pad(b []byte, big bool) []byte {
	if len(b) >= f.size || f.kind == kindString || f.kind == kindXString {
		return b
	}
	out := append(make([]byte, 0, f.size), b...)
	for len(out) < f.size {
		switch {
		case f.kind == kindChar || f.kind == kindDate || f.kind == kindTime:
			out = appendUnit(out, ' ', big)
		case f.kind == kindNumc:
			out = appendUnit(out, '0', big)
		default:
			out = append(out, 0)
		}
	}
	return out[:f.size]
}

func appendUnit(b []byte, u uint16, big bool) []byte {
	if big {
		return binary.BigEndian.AppendUint16(b, u)
	}
	return binary.LittleEndian.AppendUint16(b, u)
}

// DecodeUTF16 decodes text of code page 4103 (little-endian) or 4102. A pair that
// was cut at the end of a field becomes U+FFFD.
func DecodeUTF16(b []byte, big bool) string {
	ascii := true
	for i := 0; i+1 < len(b); i += 2 {
		hi, lo := b[i+1], b[i]
		if big {
			hi, lo = lo, hi
		}
		if hi != 0 || lo >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		out := make([]byte, len(b)/2)
		for i := range out {
			out[i] = b[2*i] | b[2*i+1]
		}
		return string(out)
	}
	u := make([]uint16, len(b)/2)
	for i := range u {
		if big {
			u[i] = binary.BigEndian.Uint16(b[2*i:])
		} else {
			u[i] = binary.LittleEndian.Uint16(b[2*i:])
		}
	}
	return string(utf16.Decode(u))
}

// EncodeUTF16 is the reverse of [DecodeUTF16].
func EncodeUTF16(s string, big bool) []byte {
	out := make([]byte, 0, 2*len(s))
	for _, u := range utf16.Encode([]rune(s)) {
		out = appendUnit(out, u, big)
	}
	return out
}

// Decode turns the bytes of a value into text: characters without trailing
// blanks, digits of NUMC complete, numbers in decimal, bytes in hexadecimal. A
// value that is too short is padded, one that is too long is an error.
func (f *Field) decode(b []byte, big bool) (string, error) {
	if len(b) > f.size && f.kind != kindString && f.kind != kindXString {
		return "", errLong
	}
	if len(b)%2 != 0 && (f.kind == kindChar || f.kind == kindNumc || f.kind == kindDate || f.kind == kindTime) {
		return "", errValue
	}
	b = f.pad(b, big)
	order := binary.ByteOrder(binary.LittleEndian)
	if big {
		order = binary.BigEndian
	}
	switch f.kind {
	case kindChar, kindDate, kindTime:
		return strings.TrimRight(DecodeUTF16(b, big), " \x00"), nil
	case kindNumc:
		s := strings.TrimSpace(DecodeUTF16(b, big)) // a sender that never filled it sends blanks
		if strings.Trim(s, "0123456789") != "" {
			return "", errValue
		}
		return strings.Repeat("0", max(f.Length-len(s), 0)) + s, nil
	case kindInt1:
		return strconv.Itoa(int(b[0])), nil
	case kindInt2:
		return strconv.Itoa(int(int16(order.Uint16(b)))), nil
	case kindInt4:
		return strconv.Itoa(int(int32(order.Uint32(b)))), nil
	case kindInt8:
		return strconv.FormatInt(int64(order.Uint64(b)), 10), nil
	case kindFloat:
		return strconv.FormatFloat(math.Float64frombits(order.Uint64(b)), 'g', -1, 64), nil
	case kindPacked:
		return f.unpack(b)
	case kindString:
		return string(b), nil
	}
	return hex.EncodeToString(b), nil
}

// unpack reads packed decimal digits; the last half byte is the sign.
func (f *Field) unpack(b []byte) (string, error) {
	digits := hex.EncodeToString(b)
	sign := digits[len(digits)-1]
	digits = digits[:len(digits)-1]
	if strings.Trim(digits, "0123456789") != "" || !strings.ContainsRune("abcdef0", rune(sign)) {
		return "", errValue
	}
	if f.Decimals > 0 && f.Decimals < len(digits) {
		digits = digits[:len(digits)-f.Decimals] + "." + digits[len(digits)-f.Decimals:]
	}
	digits = strings.TrimLeft(digits, "0")
	if digits == "" || digits[0] == '.' {
		digits = "0" + digits
	}
	if sign == 'd' || sign == 'b' {
		digits = "-" + digits
	}
	return digits, nil
}

// pack is the reverse of unpack. The sign is C or D, as SAP writes it.
func (f *Field) pack(s string) ([]byte, error) {
	sign := "c"
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		s, sign = rest, "d"
	}
	whole, part, _ := strings.Cut(s, ".")
	part = strings.TrimRight(part, "0")
	if strings.Trim(whole+part, "0123456789") != "" {
		return nil, errValue
	}
	if len(part) > f.Decimals {
		return nil, errLong
	}
	digits := strings.TrimLeft(whole+part+strings.Repeat("0", f.Decimals-len(part)), "0")
	if len(digits) > 2*f.size-1 {
		return nil, errLong
	}
	return hex.DecodeString(strings.Repeat("0", 2*f.size-1-len(digits)) + digits + sign)
}

// encode is the reverse of decode. Text that does not fit is an error, not cut.
func (f *Field) encode(s string, big bool) ([]byte, error) {
	order := binary.AppendByteOrder(binary.LittleEndian)
	if big {
		order = binary.BigEndian
	}
	number := func(bits int) (int64, error) {
		if s == "" {
			return 0, nil
		}
		n, err := strconv.ParseInt(s, 10, bits)
		if err != nil {
			return 0, errValue
		}
		return n, nil
	}
	var out []byte
	switch f.kind {
	case kindNumc:
		if strings.Trim(s, "0123456789") != "" {
			return nil, errValue
		}
		out = EncodeUTF16(strings.Repeat("0", max(f.Length-len(s), 0))+s, big)
	case kindChar, kindDate, kindTime:
		out = EncodeUTF16(s, big)
	case kindInt1:
		n, err := number(16)
		if err != nil || n < 0 || n > 255 {
			return nil, errValue
		}
		out = []byte{byte(n)}
	case kindInt2:
		n, err := number(16)
		if err != nil {
			return nil, err
		}
		out = order.AppendUint16(nil, uint16(n))
	case kindInt4:
		n, err := number(32)
		if err != nil {
			return nil, err
		}
		out = order.AppendUint32(nil, uint32(n))
	case kindInt8:
		n, err := number(64)
		if err != nil {
			return nil, err
		}
		out = order.AppendUint64(nil, uint64(n))
	case kindString:
		return []byte(s), nil
	case kindRaw, kindXString:
		b, err := hex.DecodeString(s)
		if err != nil {
			return nil, errValue
		}
		out = b
	case kindFloat:
		v := 0.0
		if s != "" {
			var err error
			if v, err = strconv.ParseFloat(s, 64); err != nil {
				return nil, errValue
			}
		}
		out = order.AppendUint64(nil, math.Float64bits(v))
	case kindPacked:
		return f.pack(s)
	default:
		return nil, errValue // a structure
	}
	if f.kind == kindXString {
		return out, nil
	}
	if len(out) > f.size {
		return nil, errLong
	}
	return f.pad(out, big), nil
}

// decodeRow turns the bytes of a row into fields. A short row is padded; a longer
// one is an error, because the definition is then not that of the sender.
func (t *Type) decodeRow(b []byte, big bool) (map[string]string, error) {
	if len(b) > t.LengthBytes {
		return nil, fmt.Errorf("row of %d bytes, the definition has %d", len(b), t.LengthBytes)
	}
	out := make(map[string]string, len(t.Fields))
	for i := range t.Fields {
		f := &t.Fields[i]
		var part []byte
		if f.offset < len(b) {
			part = b[f.offset:min(f.offset+f.size, len(b))]
		}
		v, err := f.decode(part, big)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		out[f.Name] = v
	}
	return out, nil
}

// encodeRow is the reverse of decodeRow.
func (t *Type) encodeRow(fields map[string]string, big bool) ([]byte, error) {
	out := make([]byte, t.LengthBytes)
	for i := range t.Fields {
		f := &t.Fields[i]
		b, err := f.encode(fields[f.Name], big)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		copy(out[f.offset:], b)
	}
	return out, nil
}
