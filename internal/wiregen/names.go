package wiregen

import "strings"

// words that are not written with one capital letter.
var words = map[string]string{
	"ACD": "ACD", "ACMI": "ACMI", "ACP": "ACP", "ANI": "ANI", "ARM": "ARM", "ARS": "ARS", "CALLID": "CallID",
	"CALLTYPE": "CallType", "CC": "CC", "CCAI": "CCAI", "CCT": "CCT", "CED": "CED", "CIL": "CIL", "COC": "COC",
	"CONN": "Conn", "CRS": "CRS", "CSTA": "CSTA", "CTI": "CTI", "CTIOS": "CTIOS", "DEVICEID": "DeviceID",
	"DEVID": "DevID", "DID": "DID", "DN": "DN", "DNIS": "DNIS", "DTMF": "DTMF", "EAS": "EAS", "ECC": "ECC",
	"ECS": "ECS", "ERS": "ERS", "FYI": "FYI", "GUID": "GUID", "ICM": "ICM", "ID": "ID", "II": "II", "IP": "IP",
	"IPCC": "IPCC", "IPV6": "IPv6", "IVR": "IVR", "LINETYPE": "LineType", "MAC": "MAC", "MR": "MR", "MRD": "MRD",
	"MRDS": "MRDs", "NEC": "NEC", "OPC": "OPC", "PBX": "PBX", "PG": "PG", "PIM": "PIM", "RA": "RA", "RTP": "RTP",
	"SCCP": "SCCP", "SIP": "SIP", "SSO": "SSO", "UCCX": "UCCX", "URI": "URI", "URL": "URL", "US": "US",
	"UUI": "UUI", "VRU": "VRU",
}

// goName turns AGENT_STATE_EVENT into AgentStateEvent.
func goName(name string) string {
	var b strings.Builder
	for _, w := range strings.Split(name, "_") {
		if g, ok := words[w]; ok {
			b.WriteString(g)
			continue
		}
		if w == "" {
			continue
		}
		b.WriteString(strings.ToUpper(w[:1]) + strings.ToLower(w[1:]))
	}
	return b.String()
}

// enumName is the Go name of a group.
func enumName(e *Enum) string { return strings.ReplaceAll(e.Name, "_", "") }

// valueName is the Go name of a value of a group.
func valueName(e *Enum, v Const) string {
	name := v.Name
	for _, prefix := range strings.Split(e.Prefix, "|") {
		if strings.HasPrefix(name, prefix) {
			name = name[len(prefix):]
			break
		}
	}
	if e.Mask {
		name = strings.TrimSuffix(name, "_MASK")
	}
	return enumName(e) + goName(name)
}

// tagName is the Go name of a tag's number.
func tagName(t *Tag) string { return "Tag" + goName(strings.TrimSuffix(t.Name, "_TAG")) }

// goType is the Go type of a wire type.
func goType(typ string) string {
	switch typ {
	case "CHAR":
		return "int8"
	case "UCHAR":
		return "uint8"
	case "SHORT":
		return "int16"
	case "USHORT":
		return "uint16"
	case "INT":
		return "int32"
	case "UINT", "TIME":
		return "uint32"
	case "ULONG":
		return "uint64"
	case "BOOL":
		return "bool"
	case "STRING":
		return "string"
	case "UNSPEC":
		return "[]byte"
	case "NAMEDVAR":
		return "NamedVar"
	case "NAMEDARRAY":
		return "NamedArray"
	}
	return "TaskID"
}

// goType is the Go type of the field.
func (f *Field) goType() string {
	if f.Enum != nil {
		return enumName(f.Enum)
	}
	return goType(f.Type)
}

// size is the number of bytes of a wire type, 0 when it varies.
func size(typ string) int {
	switch typ {
	case "CHAR", "UCHAR":
		return 1
	case "SHORT", "USHORT", "BOOL":
		return 2
	case "INT", "UINT", "TIME":
		return 4
	case "ULONG":
		return 8
	case "TASKID":
		return 12
	}
	return 0
}
