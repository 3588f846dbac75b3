package workcenter_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/connects-go/connects/internal/crm/workcenter"
)

func Example() {
	p, err := workcenter.New(&workcenter.Config{Type: workcenter.TypeAgentID})
	if err != nil {
		fmt.Println(err)
		return
	}
	login, err := p.Parse(context.Background(), "MEIER", "7001;secret;3005;pm2c2")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(login.AgentID, login.Password, login.Device, login.Media)

	_, err = p.Parse(context.Background(), "MEIER", "7001;secret;3005;px")
	fmt.Println(err)
	// Output:
	// 7001 **** 3005 pm2c2
	// workcenter: field 4 (media), character 2: not a list of media; expected agentid;password;device[;media]
}

func ExampleMapUsers() {
	p, _ := workcenter.New(&workcenter.Config{
		Type:            workcenter.TypeDevice,
		DefaultPassword: "geheim",
		AgentByUser:     workcenter.MapUsers(map[string]string{"MEIER": "7001"}),
	})
	login, _ := p.Parse(context.Background(), "meier", "3005")
	fmt.Println(login.AgentID, login.Device, login.Media)

	_, err := p.Parse(context.Background(), "MUELLER", "3005")
	fmt.Println(errors.Is(err, workcenter.ErrNoAgent))
	// Output:
	// 7001 3005 p
	// true
}
