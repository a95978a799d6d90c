// A static client and server for tests inside pods: `kubectl exec POD -- /probe get http://web:8080/`.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const usage = `usage:
  probe serve [-path /metrics] [-metrics FILE] PORT...   HTTP: metrics under the path (from FILE, $METRICS or a default), "/" answers 200
                                                         where a value of $METRICS ends in "/s" it grows by so much a second
  probe listen PORT...                                   accept TCP connections, echo UDP datagrams
  probe get URL [HEADER:VALUE]...                        print the status code, then the body
  probe post URL BODY [HEADER:VALUE]...                  the same, sending JSON
  probe mail HOST:PORT USER PASSWORD FROM TO MESSAGE     by SMTP, after STARTTLS and AUTH PLAIN: SENT, or what went wrong
  probe tcp HOST:PORT                                    OPEN, or DENIED and exit code 1
  probe udp HOST:PORT                                    ECHO, or DENIED and exit code 1
  probe scan [HOST:PORT/PROTOCOL]...                     all at once, from standard input if none: "tcp HOST:PORT OPEN" or DENIED
  probe lookup NAME                                      the addresses of a name
  probe write TEXT COUNT RATE SIZE                       lines of SIZE bytes that begin with TEXT and a number, RATE a second; then sleep
  probe sleep                                            until SIGTERM
`

// Short, so that a denied connection costs a test little; long enough for a busy machine.
const limit = 3 * time.Second

var (
	requests atomic.Int64
	started  = time.Now()
	growing  = regexp.MustCompile(`(?m) ([0-9.e+-]+)/s$`)
)

func main() {
	if len(os.Args) < 2 {
		exit(2, usage)
	}
	endOnTerm()
	command, arguments := os.Args[1], os.Args[2:]
	switch {
	case command == "serve":
		serve(arguments)
	case command == "listen" && len(arguments) > 0:
		listen(arguments)
	case command == "get" && len(arguments) > 0:
		request(http.MethodGet, arguments[0], "", arguments[1:])
	case command == "post" && len(arguments) > 1:
		request(http.MethodPost, arguments[0], arguments[1], arguments[2:])
	case command == "mail" && len(arguments) == 6:
		mail(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5])
	case command == "tcp" && len(arguments) == 1:
		tcp(arguments[0])
	case command == "udp" && len(arguments) == 1:
		udp(arguments[0])
	case command == "scan":
		scan(arguments)
	case command == "lookup" && len(arguments) == 1:
		lookup(arguments[0])
	case command == "write" && len(arguments) == 4:
		write(arguments[0], number(arguments[1]), number(arguments[2]), number(arguments[3]))
		wait()
	case command == "sleep":
		wait()
	default:
		exit(2, usage)
	}
}

// endOnTerm is needed because the kernel gives the first process of a container no default action for signals.
func endOnTerm() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		os.Exit(0)
	}()
}

// wait never returns; a bare `select {}` is a fatal deadlock when no other goroutine can run.
func wait() {
	for {
		time.Sleep(time.Hour)
	}
}

func exit(code int, message string) {
	fmt.Println(strings.TrimSpace(message)) // standard output, which `kubectl exec` passes on unmixed
	os.Exit(code)
}

func check(err error) {
	if err != nil {
		exit(1, err.Error())
	}
}

func serve(arguments []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	path := flags.String("path", "/metrics", "path of the metrics")
	file := flags.String("metrics", "", "file with the metrics, read at each request")
	check(flags.Parse(arguments))
	if flags.NArg() == 0 {
		exit(2, usage)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc(*path, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		text, err := metrics(*file)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType(text))
		io.WriteString(w, text)
	})
	for _, port := range flags.Args() {
		go func() { check(http.ListenAndServe(":"+port, mux)) }()
	}
	wait()
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

// write numbers its lines, so that whoever finds them knows which are missing, and which came twice.
func write(text string, count, rate, size int) {
	const turn = 20 * time.Millisecond
	out, begun := bufio.NewWriter(os.Stdout), time.Now()
	for next := 0; next < count; time.Sleep(turn) {
		for due := int(time.Since(begun).Seconds() * float64(rate)); next < min(due, count); next++ {
			line := fmt.Sprintf("%s %d ", text, next)
			fmt.Fprintln(out, line+strings.Repeat(".", max(size-len(line)-1, 0)))
		}
		check(out.Flush())
	}
}

func metrics(file string) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		return string(text), err
	}
	if text, given := os.LookupEnv("METRICS"); given {
		return strings.TrimSuffix(grown(text), "\n") + "\n", nil // the format refuses a last line without its end
	}
	return fmt.Sprintf(`# HELP probe_requests_total Requests answered since the start.
# TYPE probe_requests_total counter
probe_requests_total %d
# HELP probe_up Always 1.
# TYPE probe_up gauge
probe_up 1
`, requests.Load()), nil
}

// grown puts a counter in the place of each rate.
func grown(text string) string {
	age := time.Since(started).Seconds()
	return growing.ReplaceAllStringFunc(text, func(value string) string {
		rate, err := strconv.ParseFloat(growing.FindStringSubmatch(value)[1], 64)
		check(err)
		return " " + strconv.FormatFloat(rate*age, 'f', -1, 64)
	})
}

// contentType names the format, which Prometheus 3 requires: OpenMetrics is the one that ends with a mark.
func contentType(text string) string {
	if strings.HasSuffix(strings.TrimSpace(text), "# EOF") {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

func listen(ports []string) {
	for _, port := range ports {
		listener, err := net.Listen("tcp", ":"+port)
		check(err)
		go accept(listener)
		for _, address := range addresses() {
			packets, err := net.ListenPacket("udp", net.JoinHostPort(address, port))
			check(err)
			go echo(packets)
		}
	}
	wait()
}

// addresses are the machine's own: an echo must come from the one that was asked, which a socket for all does not ensure.
func addresses() []string {
	found, err := net.InterfaceAddrs()
	check(err)
	var own []string
	for _, address := range found {
		if network, ok := address.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() {
			own = append(own, network.IP.String())
		}
	}
	return own
}

func accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		check(err)
		connection.Close()
	}
}

func echo(packets net.PacketConn) {
	buffer := make([]byte, 65536)
	for {
		size, sender, err := packets.ReadFrom(buffer)
		check(err)
		packets.WriteTo(buffer[:size], sender)
	}
}
