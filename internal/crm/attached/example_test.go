package attached_test

import (
	"fmt"

	"golang.org/x/text/encoding/charmap"

	"github.com/connects-go/connects/internal/crm/attached"
)

func Example() {
	layout, err := attached.NewLayout(&attached.Config{ECC: []string{"ECC.user.ced", "ECCA.user.test"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	call := &attached.Variables{
		MID: "200815",
		ECC: []attached.ECC{{Name: "user.ced", Index: attached.Scalar, Value: "42"}, {Name: "user.test", Index: 0, Value: "A&O"}},
	}
	call.Call[0] = "4711"

	// SAP adds what it knows.
	doc, err := attached.Parse(`<ItemAttachedData><Application id="SAP-IC"><Account>4712</Account></Application></ItemAttachedData>`, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(layout.Append(nil, call, doc)))
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?><ItemAttachedData><Application id="SAP-IC"><CV01>4711</CV01><CV02></CV02><CV03></CV03><CV04></CV04><CV05></CV05><CV06></CV06><CV07></CV07><CV08></CV08><CV09></CV09><CV10></CV10><MID>200815</MID><ECC><user.ced>42</user.ced><user.test index="0">A&amp;O</user.test></ECC><Account>4712</Account></Application></ItemAttachedData>
}

func ExampleMapping() {
	mapping, err := attached.NewMapping([]attached.Rule{
		{Element: "Account", Target: "CV05"},
		{Element: "Reason", Target: "WrapUpData"},
	}, charmap.Windows1252)
	if err != nil {
		fmt.Println(err)
		return
	}
	doc, err := attached.Parse(`<ItemAttachedData><Application id="SAP-IC">`+
		`<Account>4712</Account><Reason>Kündigung wegen Umzug in ein anderes Land</Reason></Application></ItemAttachedData>`, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range mapping.Apply(doc, nil) {
		fmt.Println(c.Target, c.Value, c.Truncated)
	}
	// Output:
	// CV05 4712 false
	// WrapUpData Kündigung wegen Umzug in ein anderes La true
}
