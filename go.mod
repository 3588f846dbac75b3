module github.com/connects-go/connects

go 1.26
