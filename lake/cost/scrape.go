package cost

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

var sample = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? ([-+.\w]+)`)

var kindLabel = regexp.MustCompile(`(?:^|,)kind="(\w+)"`)

// Scrape asks workers for their metrics, in the form of Prometheus, and says what an hour took of all that they did.
func Scrape(ctx context.Context, workers []string) (*Use, error) {
	u := &Use{Requests: map[string]float64{}}
	for _, address := range workers {
		if err := u.add(ctx, address); err != nil {
			return nil, fmt.Errorf("read the metrics of %s: %w", address, err)
		}
	}
	if u.Hours == 0 {
		return nil, fmt.Errorf("the workers have ingested no hour since they began: ask later")
	}
	for kind := range u.Requests {
		u.Requests[kind] /= u.Hours
	}
	u.CPUSeconds /= u.Hours
	return u, nil
}

func (u *Use) add(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	known := false
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		found := sample.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		value, err := strconv.ParseFloat(found[3], 64)
		if err != nil {
			continue
		}
		switch found[1] {
		case "versionlake_hours_total":
			u.Hours += value
		case "process_cpu_time_seconds_total":
			u.CPUSeconds += value
			known = true
		case "versionlake_store_requests_total":
			if kind := kindLabel.FindStringSubmatch(found[2]); kind != nil {
				u.Requests[kind[1]] += value
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("no metrics of a worker, see --metrics-addr")
	}
	return nil
}
