package fileregistry

import "github.com/selfheal-ml/selfheal/registry"

func OpenLog(dir string) (registry.Log, error) { return &registry.MemoryLog{}, nil }
