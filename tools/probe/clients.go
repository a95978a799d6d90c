package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"strings"
	"sync"
	"time"
)

// Of each target of a scan: the kernel sends the first packet of a connection a second time after one second.
const scanLimit = 1500 * time.Millisecond

func request(method, url, body string, headers []string) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	check(err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		request.Header.Set(name, strings.TrimSpace(value))
	}
	client := http.Client{Timeout: limit}
	answer, err := client.Do(request)
	check(err)
	fmt.Println(answer.StatusCode)
	_, err = io.Copy(os.Stdout, answer.Body)
	check(err)
}

func mail(server, user, password, from, to, message string) {
	host, _, err := net.SplitHostPort(server)
	check(err)
	connection, err := net.DialTimeout("tcp", server, limit)
	check(err)
	check(connection.SetDeadline(time.Now().Add(limit)))
	client, err := smtp.NewClient(connection, host)
	check(err)
	check(client.StartTLS(&tls.Config{ServerName: host}))
	check(client.Auth(smtp.PlainAuth("", user, password, host)))
	check(client.Mail(from))
	check(client.Rcpt(to))
	body, err := client.Data()
	check(err)
	_, err = io.WriteString(body, message)
	check(err)
	check(body.Close())
	check(client.Quit())
	fmt.Println("SENT")
}

func tcp(address string) {
	peer, err := connect(address, limit)
	if err != nil {
		exit(1, "DENIED "+err.Error())
	}
	exit(0, "OPEN "+peer)
}

func udp(address string) {
	answer, err := ask(address, limit)
	if err != nil {
		exit(1, "DENIED "+err.Error())
	}
	exit(0, "ECHO "+answer)
}

// scan prints a line for each target, in their order.
func scan(targets []string) {
	if len(targets) == 0 {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			targets = append(targets, strings.Fields(lines.Text())...)
		}
		check(lines.Err())
	}
	results := make([]string, len(targets))
	var tried sync.WaitGroup
	for number, target := range targets {
		address, protocol, _ := strings.Cut(target, "/")
		try, known := map[string]func(string, time.Duration) (string, error){"tcp": connect, "udp": ask}[protocol]
		if !known {
			exit(2, fmt.Sprintf("%q is no target: write HOST:PORT/tcp or HOST:PORT/udp", target))
		}
		tried.Add(1)
		go func() {
			defer tried.Done()
			results[number] = fmt.Sprintf("%s %s OPEN", protocol, address)
			if _, err := try(address, scanLimit); err != nil {
				results[number] = fmt.Sprintf("%s %s DENIED", protocol, address)
			}
		}()
	}
	tried.Wait()
	for _, result := range results {
		fmt.Println(result)
	}
}

func connect(address string, limit time.Duration) (string, error) {
	connection, err := net.DialTimeout("tcp", address, limit)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	return connection.RemoteAddr().String(), nil
}

func ask(address string, limit time.Duration) (string, error) {
	connection, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	buffer := make([]byte, 64)
	for end := time.Now().Add(limit); time.Now().Before(end); { // datagrams may be lost: ask again
		fmt.Fprint(connection, "probe")
		connection.SetReadDeadline(time.Now().Add(limit / 3))
		size, err := connection.Read(buffer)
		if err == nil {
			return string(buffer[:size]), nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return "", err
		}
	}
	return "", fmt.Errorf("no echo in %s", limit)
}

func lookup(name string) {
	deadline, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(deadline, name)
	check(err)
	fmt.Println(strings.Join(addresses, " "))
}
