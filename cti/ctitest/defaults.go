package ctitest

import (
	"strconv"
)

// DefaultConfig returns a gateway that people can play with: nAgents agents with ids from 1001 and
// phones from 2001 on, the passwords "pw" + id and names with letters outside ASCII; the skill
// group 1, dialled as 5001, with all of them, and group 2, dialled as 5002, with every second one;
// the phones 4001 and 4002 without agents; optional wrap-up; some ECC variables; outside numbers
// that answer after two seconds, one that is busy (+41315550197), one that nobody answers
// (+41315550198) and one that cannot be reached (+41315550199). With more than 1,900 agents the
// ids and phones have five digits (10001.., 20001..).
func DefaultConfig(nAgents int) *Config {
	c := &Config{
		Desk: DefaultDesk(),
		SkillGroups: []SkillGroupConfig{
			{Number: 1, Name: "Service", DialedNumber: "5001"},
			{Number: 2, Name: "Verkauf Zürich", DialedNumber: "5002"},
		},
		Devices: []DeviceConfig{
			{Extension: "4001", Name: "Empfang"},
			{Extension: "4002", Name: "Sitzungszimmer"},
		},
		ECC: []ECCConfig{
			{Name: "user.ced", MaxLength: 40},
			{Name: "user.customer", MaxLength: 80},
			{Name: "user.note", MaxLength: 210},
			{Name: "user.BS_inout", MaxLength: 210},
			{Name: "user.BS_status", MaxLength: 40},
			{Name: "user.test", MaxLength: 40, Size: 5},
			{Name: "user.items", MaxLength: 20, Size: 10},
		},
		External: map[string]External{
			"+41315550197": {Busy: true},
			"+41315550198": {AnswerAfter: -1},
			"+41315550199": {Unreachable: true},
		},
	}
	id, ext := 1001, 2001
	if nAgents > 1900 {
		id, ext = 10001, 20001
	}
	for i := range nAgents {
		groups := []uint32{1}
		if i%2 == 1 {
			groups = []uint32{1, 2}
		}
		number := strconv.Itoa(id + i)
		c.Agents = append(c.Agents, AgentConfig{
			ID:          number,
			FirstName:   firstName(i),
			LastName:    lastName(i),
			Password:    Secret("pw" + number),
			Extension:   strconv.Itoa(ext + i),
			SkillGroups: groups,
		})
	}
	return c
}

// The letters of these names exist in windows-1252, so they survive on gateways with that code page.
func firstName(i int) string {
	names := [...]string{"Zoë", "Jürg", "Renée", "Søren", "Íñigo", "Håkan", "Chloé", "André", "Björn", "Inês"}
	return names[i%len(names)]
}

func lastName(i int) string {
	names := [...]string{"Müller", "Schäfer", "Lefèvre", "Ødegård", "Muñoz", "Öberg", "Brontë", "Gagné", "Åkesson", "Conceição"}
	return names[(i+i/len(names))%len(names)]
}
