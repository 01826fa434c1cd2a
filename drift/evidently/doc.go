// Package evidently says what Evidently would have said about two batches of columns, for those
// who migrate and want to see their old numbers beside the new. [Preset] does all of it.
package evidently
