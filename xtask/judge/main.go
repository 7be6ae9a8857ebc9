// The judge: what the real Serf library makes of a snapshot file, and what it writes into one.
//
// It is built with Debian's packages golang-go and golang-github-hashicorp-serf-dev, and speaks JSON lines:
//
//	judge replay [--rejoin-after-leave=BOOL] FILE    one answer, in the shape of docs/COMPATIBILITY.md
//	judge serve DIRECTORY                            an answer for each request on stdin, until it ends
//
// Names and addresses travel as hexadecimal digits, because they are bytes and not text.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/hashicorp/serf/serf"
)

// never is a size that no file reaches: a replay must not compact.
const never = math.MaxInt32

// excerpt is how much of a warning is told: it quotes the whole line.
const excerpt = 200

// request asks for a replay of File, or, where Record is set, for events to be recorded into a file.
type request struct {
	ID     uint64     `json:"id"`
	File   string     `json:"file"`
	Rejoin bool       `json:"rejoin_after_leave"`
	Record *recording `json:"record"`
}

// recording is one life of an agent: the file is opened, the events come, and it shuts down.
type recording struct {
	Path           string  `json:"path"`
	MinCompactSize int     `json:"min_compact_size"`
	Events         []event `json:"events"`
}

// event is something that happens to an agent: join, leave, failed, user, query, clock or depart.
type event struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	IP   string `json:"ip"`
	Port uint16 `json:"port"`
	Time uint64 `json:"time"`
}

// answer is what the library holds when it has stopped.
type answer struct {
	ID         uint64      `json:"id"`
	Alive      [][2]string `json:"alive"`
	Clock      uint64      `json:"clock"`
	EventClock uint64      `json:"event_clock"`
	QueryClock uint64      `json:"query_clock"`
	Warnings   []string    `json:"warnings"`
	Errors     []string    `json:"errors"`
	Compacted  bool        `json:"compacted"`
	Library    string      `json:"failure,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(2)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "serve":
		return serve(arguments[1], os.Stdin, os.Stdout)
	case len(arguments) >= 2 && arguments[0] == "replay":
		return replayOnce(arguments[1:])
	}
	return errors.New("usage: judge replay [--rejoin-after-leave=BOOL] FILE, or judge serve DIRECTORY")
}

// replayOnce answers in the shape that the conformance suite reads.
func replayOnce(arguments []string) error {
	rejoin := false
	switch arguments[0] {
	case "--rejoin-after-leave=true":
		rejoin, arguments = true, arguments[1:]
	case "--rejoin-after-leave=false":
		arguments = arguments[1:]
	}
	if len(arguments) != 1 {
		return errors.New("replay takes one file")
	}
	file, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	// The library opens for writing, and a file that is looked at must stay as it is.
	directory, err := os.MkdirTemp("", "judge-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	found, err := replay(filepath.Join(directory, "replayed"), file, rejoin)
	if err != nil {
		return err
	}
	type node struct {
		Name string `json:"name_hex"`
		Addr string `json:"addr_hex"`
	}
	nodes := []node{}
	for _, pair := range found.Alive {
		nodes = append(nodes, node{pair[0], pair[1]})
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"alive":       nodes,
		"clock":       found.Clock,
		"event_clock": found.EventClock,
		"query_clock": found.QueryClock,
		"warnings":    len(found.Warnings),
	})
}

// serve answers in the order of the requests; one that cannot be read ends it.
func serve(directory string, in io.Reader, out io.Writer) error {
	requests := bufio.NewReaderSize(in, 1<<20)
	buffered := bufio.NewWriterSize(out, 1<<16)
	answers := json.NewEncoder(buffered)
	path := filepath.Join(directory, "replayed")
	for {
		line, err := requests.ReadBytes('\n')
		if err == io.EOF {
			return buffered.Flush()
		} else if err != nil {
			return err
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			return err
		}
		found, err := judge(&asked, path)
		if err != nil {
			found = &answer{Library: err.Error()}
		}
		found.ID = asked.ID
		if err := answers.Encode(found); err != nil {
			return err
		}
		// Whoever waits for this answer before the next question must get it; others are told many at once.
		waiting, _ := requests.Peek(requests.Buffered())
		if bytes.IndexByte(waiting, '\n') < 0 {
			if err := buffered.Flush(); err != nil {
				return err
			}
		}
	}
}

func judge(asked *request, path string) (*answer, error) {
	if asked.Record != nil {
		return record(asked.Record, asked.Rejoin)
	}
	file, err := hex.DecodeString(asked.File)
	if err != nil {
		return nil, err
	}
	return replay(path, file, asked.Rejoin)
}

// replay puts the bytes into a file of their own and lets the library read it.
func replay(path string, file []byte, rejoin bool) (*answer, error) {
	if err := os.WriteFile(path, file, 0o644); err != nil {
		return nil, err
	}
	life, err := begin(path, rejoin, never)
	if err != nil {
		return nil, err
	}
	found := life.end()
	left, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if left.Size() != int64(len(file)) {
		return nil, fmt.Errorf("the replay changed the file from %d to %d bytes", len(file), left.Size())
	}
	return found, nil
}

// record lets the library go through a life on a file that may exist.
func record(asked *recording, rejoin bool) (*answer, error) {
	life, err := begin(asked.Path, rejoin, asked.MinCompactSize)
	if err != nil {
		return nil, err
	}
	before, err := os.Stat(asked.Path)
	if err != nil {
		return nil, err
	}
	// An agent goes on from the time that it recovers.
	life.clock.Witness(life.snapshotter.LastClock())
	for _, next := range asked.Events {
		if err := life.handle(next); err != nil {
			life.end()
			return nil, err
		}
	}
	found := life.end()
	after, err := os.Stat(asked.Path)
	if err != nil {
		return nil, err
	}
	found.Compacted = !os.SameFile(before, after)
	return found, nil
}

// life is a snapshotter that runs.
type life struct {
	snapshotter *serf.Snapshotter
	clock       *serf.LamportClock
	events      chan<- serf.Event
	shutdown    chan struct{}
	log         *journal
	left        bool
}

func begin(path string, rejoin bool, minCompactSize int) (*life, error) {
	started := &life{
		clock:    new(serf.LamportClock),
		shutdown: make(chan struct{}),
		log:      &journal{reached: make(chan struct{}, 1)},
	}
	// An agent does the same: the time recorded is the clock's less one, and must not wrap.
	started.clock.Increment()
	logger := log.New(started.log, "", 0)
	var err error
	started.events, started.snapshotter, err = serf.NewSnapshotter(
		path, minCompactSize, rejoin, logger, started.clock, nil, started.shutdown)
	return started, err
}

// handle gives an event to the library and waits until it has taken it in.
func (l *life) handle(next event) error {
	name, err := hex.DecodeString(next.Name)
	if err != nil {
		return err
	}
	member := serf.Member{Name: string(name), Addr: net.ParseIP(next.IP), Port: next.Port}
	members := []serf.Member{member}
	switch next.Kind {
	case "join":
		l.events <- serf.MemberEvent{Type: serf.EventMemberJoin, Members: members}
	case "leave":
		l.events <- serf.MemberEvent{Type: serf.EventMemberLeave, Members: members}
	case "failed":
		l.events <- serf.MemberEvent{Type: serf.EventMemberFailed, Members: members}
	case "user":
		l.events <- serf.UserEvent{LTime: serf.LamportTime(next.Time)}
	case "query":
		l.events <- &serf.Query{LTime: serf.LamportTime(next.Time)}
	case "clock":
		l.clock.Witness(serf.LamportTime(next.Time))
		return nil
	case "depart":
		l.snapshotter.Leave()
		l.left = true
		return nil
	default:
		return fmt.Errorf("no event is called %q", next.Kind)
	}
	if !l.left {
		// The library complains about an event that it does not know: the only way to see how far it has come.
		l.events <- mark{}
		<-l.log.reached
	}
	return nil
}

// end shuts the library down and tells what it holds. It has closed its file then, and its threads have ended.
func (l *life) end() *answer {
	close(l.shutdown)
	l.snapshotter.Wait()
	found := &answer{
		Alive:      [][2]string{},
		Clock:      uint64(l.snapshotter.LastClock()),
		EventClock: uint64(l.snapshotter.LastEventClock()),
		QueryClock: uint64(l.snapshotter.LastQueryClock()),
	}
	for _, node := range l.snapshotter.AliveNodes() {
		pair := [2]string{hex.EncodeToString([]byte(node.Name)), hex.EncodeToString([]byte(node.Addr))}
		found.Alive = append(found.Alive, pair)
	}
	sort.Slice(found.Alive, func(i, j int) bool { return found.Alive[i][0] < found.Alive[j][0] })
	found.Warnings, found.Errors = l.log.told()
	return found
}

// mark is an event that the library does not know.
type mark struct{}

func (mark) EventType() serf.EventType { return serf.EventUser }
func (mark) String() string            { return "mark" }

// journal keeps what the library logs. Each message comes as one write.
type journal struct {
	mutex    sync.Mutex
	warnings []string
	errors   []string
	reached  chan struct{}
}

func (j *journal) Write(message []byte) (int, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	text := string(message)
	switch {
	case strings.HasPrefix(text, "[WARN]"):
		j.warnings = append(j.warnings, short(text))
	case strings.HasPrefix(text, "[ERR] serf: Unknown event"):
		j.reached <- struct{}{}
	case strings.HasPrefix(text, "[ERR]"):
		j.errors = append(j.errors, short(text))
	}
	return len(message), nil
}

func (j *journal) told() (warnings, errors []string) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return append([]string{}, j.warnings...), append([]string{}, j.errors...)
}

func short(text string) string {
	text = strings.TrimRight(text, "\n")
	if len(text) > excerpt {
		text = text[:excerpt]
	}
	return text
}
