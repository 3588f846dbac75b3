package presence_test

import (
	"fmt"

	"github.com/connects-go/connects/internal/crm/presence"
)

func Example() {
	index := presence.New(func(e *presence.Entry, view string) string {
		return view + ": " + e.Name() + " is " + e.Status.String()
	})
	index.Put(
		presence.Entry{Key: "5000/1001", AgentID: "1001", FirstName: "Anna", LastName: "Müller", Status: presence.Available},
		presence.Entry{Key: "5000/1002", AgentID: "1002", FirstName: "Zoë", LastName: "Meier", Status: presence.Busy},
		presence.Entry{Key: "5001/1001", AgentID: "1001", FirstName: "Anna", LastName: "Weber", Status: presence.LoggedOff},
	)
	for _, search := range []string{"*", "anna", "m* zoe", "*er"} {
		query, err := presence.ParseQuery(search)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%q\n", index.Rows(query, "EN"))
	}
	// Output:
	// ["EN: Zoë Meier is busy" "EN: Anna Müller is available"]
	// ["EN: Anna Müller is available" "EN: Anna Weber is logged off"]
	// ["EN: Zoë Meier is busy"]
	// presence: * is allowed only at the end of a term: term 1
}
