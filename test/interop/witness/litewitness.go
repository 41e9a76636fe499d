package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/tlog"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// What litewitness makes of an empty database, in which its own witnessctl would then enter a log and its keys.
const schema = `
	CREATE TABLE IF NOT EXISTS log (
		origin TEXT PRIMARY KEY,
		tree_size INTEGER NOT NULL,
		tree_hash TEXT NOT NULL
	);
	CREATE TABLE IF NOT EXISTS key (
		origin TEXT NOT NULL,
		key TEXT NOT NULL,
		FOREIGN KEY(origin) REFERENCES log(origin)
	);
`

// litewitness enters a log in a database of litewitness, prints the fingerprint of a new key, and serves that key as an
// ssh-agent until it is stopped.
func litewitness(arguments []string) error {
	flags := flag.NewFlagSet("litewitness", flag.ExitOnError)
	database := flags.String("db", "", "path of the database")
	socket := flags.String("socket", "", "path of the agent's socket")
	vkey := flags.String("vkey", "", "Ed25519 verifier key of the log")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if err := enterLog(*database, *vkey); err != nil {
		return fmt.Errorf("%s: %w", *database, err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		return err
	}
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	fmt.Println(ssh.FingerprintSHA256(signer.PublicKey()))
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go agent.ServeAgent(ring, connection)
	}
}

func enterLog(path, vkey string) error {
	database, err := sqlite.OpenConn(path, 0)
	if err != nil {
		return err
	}
	defer database.Close()
	if err := sqlitex.ExecScript(database, schema); err != nil {
		return err
	}
	origin, _, _ := strings.Cut(vkey, "+")
	empty, err := tlog.TreeHash(0, nil)
	if err != nil {
		return err
	}
	enter := func(query string, values ...any) error {
		return sqlitex.Execute(database, query, &sqlitex.ExecOptions{Args: values})
	}
	root := base64.StdEncoding.EncodeToString(empty[:])
	if err := enter("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", origin, root); err != nil {
		return err
	}
	return enter("INSERT INTO key (origin, key) VALUES (?, ?)", origin, vkey)
}
