package dialing_test

import (
	"fmt"

	"github.com/connects-go/connects/internal/crm/dialing"
)

func Example() {
	plan, err := dialing.New(&dialing.Rules{
		InternalMinLength: 5,
		InternalPrefix:    "413155",
		National:          []string{"0,41"},
		International:     "00,",
		OutsideLine:       "0",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, caller := range []string{"54545", "0315550100", "004930123456", "sip:+4930123456@example.org", "PrivateNumber"} {
		fmt.Println(plan.ToSAP(caller))
	}
	for _, dialled := range []string{"+41315554545", "+41445550100", "+49 30 123456", "54545"} {
		number, err := plan.ToSwitch(dialled)
		fmt.Println(number, err)
	}
	_, err = plan.ToSwitch("0800 FLOWER")
	fmt.Println(err)
	// Output:
	// +41315554545
	// +41315550100
	// +4930123456
	// +4930123456
	// 0
	// 54545 <nil>
	// 00445550100 <nil>
	// 0004930123456 <nil>
	// 54545 <nil>
	// dialing: character 6 ('F'): letter in a number
}
