package main

import (
	"fmt"
	"net"
	"strings"
)

// The server of the echo rows: prints its port, then a goroutine for each connection sends back what comes.
func serve() {
	room := 4096
	if strings.HasSuffix(row, ".64k") {
		room = 65536 + 4096
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		client, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go func() {
			defer client.Close()
			buffer := make([]byte, room)
			for {
				n, err := client.Read(buffer)
				if err != nil {
					return
				}
				if _, err = client.Write(buffer[:n]); err != nil {
					return
				}
			}
		}()
	}
}
