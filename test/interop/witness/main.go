// Other projects' witness code, as small programs for the scripts beside this folder.
//
// Tessera drives a log of its own through witnesses, torchwood and transparency-dev/formats verify what was cosigned,
// and litewitness gets the two things that it does not bring along: a database that knows a log, and an ssh-agent.
package main

import (
	"fmt"
	"os"
	"strings"
)

// The commands, by the word that asks for each.
var commands = map[string]func(arguments []string) error{
	"check":       check,
	"keys":        keys,
	"litewitness": litewitness,
	"subtree":     subtree,
	"tessera":     runLog,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: witness check|keys|litewitness|subtree|tessera [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", os.Args[1], strings.TrimSpace(err.Error()))
		os.Exit(1)
	}
}
