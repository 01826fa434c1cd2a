package healing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// putPass keeps a pass, without its reports, in the series of the subject's passes. A pass
// of the same microsecond is replaced.
func putPass(ctx context.Context, t Telemetry, about subject, p Pass) error {
	data, err := json.Marshal(p)
	if err == nil {
		err = t.Put(ctx, Point{Series: about.series("passes"), Time: p.Time, Data: data})
	}
	if err != nil {
		return fmt.Errorf("healing: keep pass: %w", err)
	}
	return nil
}

// latestPasses returns the latest n passes of the subject, the oldest first, and what could
// not be read: a damaged pass is passed over, any other error ends the list.
func latestPasses(ctx context.Context, t Telemetry, about subject, n int) ([]Pass, []error) {
	var (
		passes []Pass
		errs   []error
	)
	for point, err := range t.Scan(ctx, PointQuery{Series: about.series("passes"), Last: n}) {
		var p Pass
		if err == nil {
			if err = json.Unmarshal(point.Data, &p); err != nil {
				err = fmt.Errorf("%w: pass of %s: %w", ErrDamaged, when(point.Time), err)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("healing: read passes: %w", err))
			if errors.Is(err, ErrDamaged) {
				continue
			}
			break
		}
		passes = append(passes, p)
	}
	return passes, errs
}
