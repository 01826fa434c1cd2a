// Package osfile does what package os lacks: it locks files among processes and makes the
// names in a folder durable.
package osfile
