package gate

import (
	"fmt"
	"reflect"

	"github.com/selfheal-ml/selfheal/gate/metrics"
)

// KindOfMetric tells [ParsePolicy] and [Recompute] of a metric of the host's own: criteria
// name it in JSON as they name the metrics of package metrics.
func KindOfMetric(m metrics.Metric) Kind {
	k := Kind{name: m.String(), metric: &m}
	if err := m.Validate(); err != nil {
		k.err = err
	}
	return k
}

// hostMetricsByName returns the metrics among the kinds. Two metrics of one name are an
// error.
func hostMetricsByName(host []Kind) (map[string]metrics.Metric, error) {
	named := map[string]metrics.Metric{}
	for _, k := range host {
		if k.metric == nil {
			continue
		}
		if m, taken := named[k.name]; taken && m != *k.metric {
			return nil, fmt.Errorf("two metrics have the name %q", k.name)
		}
		named[k.name] = *k.metric
	}
	return named, nil
}

// withMetrics puts metrics in place of their names in the exported fields of criteria that
// were just read.
func withMetrics(criteria []Criterion, named map[string]metrics.Metric) {
	if len(named) == 0 {
		return
	}
	for i, c := range criteria {
		v := reflect.ValueOf(c)
		if v.Kind() == reflect.Pointer {
			setMetrics(v.Elem(), named)
			continue
		}
		own := reflect.New(v.Type()).Elem()
		own.Set(v)
		setMetrics(own, named)
		criteria[i] = own.Interface().(Criterion)
	}
}

func setMetrics(v reflect.Value, named map[string]metrics.Metric) {
	switch {
	case v.Type() == reflect.TypeFor[metrics.Metric]():
		if m, ok := named[v.Interface().(metrics.Metric).String()]; ok {
			v.Set(reflect.ValueOf(m))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				setMetrics(v.Field(i), named)
			}
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			setMetrics(v.Index(i), named)
		}
	}
}
