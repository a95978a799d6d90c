// Blocks of a Prometheus, written by its own code: the history that tests back up, as if it had been scraped.
//
//	blocks -until 1700000000 -days 30 -block 2h -series 100 -step 1m DIRECTORY
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// Samples of one commit; what is not committed is held beside the head.
const commit = 100_000

func main() {
	until := flag.Int64("until", 0, "seconds since 1970, at which the last block ends")
	days := flag.Float64("days", 30, "of history")
	block := flag.Duration("block", 2*time.Hour, "range of a block; they begin and end at its multiples")
	series := flag.Int("series", 100, "in each block")
	step := flag.Duration("step", time.Minute, "between samples")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	size := block.Milliseconds()
	end := *until * 1000 / size * size
	start := (end - int64(*days*24*3600*1000)) / size * size
	for from := start; from < end; from += size {
		if err := write(flag.Arg(0), from, size, *series, step.Milliseconds()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// Counters with random steps, so that a sample takes as many bytes as it can: the worst case of a backup.
func write(directory string, from, size int64, series int, step int64) error {
	ctx := context.Background()
	writer, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), directory, size)
	if err != nil {
		return err
	}
	defer writer.Close()
	random := rand.New(rand.NewPCG(uint64(from), 0))
	names, refs, values := make([]labels.Labels, series), make([]storage.SeriesRef, series), make([]float64, series)
	for number := range series {
		names[number] = labels.FromStrings(labels.MetricName, "history_total", "job", "history", "series", strconv.Itoa(number))
	}
	appender, pending := writer.Appender(ctx), 0
	for at := from; at < from+size; at += step {
		for number := range series {
			values[number] += random.ExpFloat64()
			if refs[number], err = appender.Append(refs[number], names[number], at, values[number]); err != nil {
				return err
			}
			if pending++; pending == commit {
				if err = appender.Commit(); err != nil {
					return err
				}
				appender, pending = writer.Appender(ctx), 0
			}
		}
	}
	if err = appender.Commit(); err != nil {
		return err
	}
	_, err = writer.Flush(ctx)
	return err
}
