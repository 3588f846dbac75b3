module github.com/connects-go/connects

go 1.26

require (
	github.com/pkg/errors v0.9.1
	nhooyr.io/websocket v1.8.17
)
