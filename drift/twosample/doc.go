// Package twosample has further tests of two samples of numbers or of two rates, for an
// analyst who asks for a test by name. Each function takes a reference and a current sample
// and returns a [drift.Result].
//
// [AndersonDarling], [CramerVonMises] and [EppsSingleton] see any difference between the
// distributions. [MannWhitney], [WelchT] and [StudentT] see a shift. [EnergyDistance] and
// [NormalizedWasserstein1] are distances without a p-value. [FisherExact] and [TwoProportionZ]
// compare two rates. The functions named after SciPy return SciPy's numbers where these differ.
//
// The functions never modify their arguments and are safe for concurrent use. Large samples
// are sorted on two processors.
package twosample
