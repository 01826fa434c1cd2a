package mlflowregistry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/selfheal-ml/selfheal/registry"
)

// Config names the server and the model. Model is required. An empty field gets its value
// from the environment variable that it names, which MLflow's own clients read too, and then
// its default.
type Config struct {
	// URL is the address of the server, including a path prefix. Default MLFLOW_TRACKING_URI.
	// A user and a password in the URL are used as Username and Password.
	URL string
	// Model is the name of the registered model, which is created if it does not exist.
	// MLflow allows neither "/" nor ":" in the name; '"' is not allowed here. Required.
	Model string
	// Experiment is the name of the experiment that gets a run for each version. It is
	// created if it does not exist. Default "selfheal " and the name of the model.
	Experiment string

	// Username and Password are sent by the basic scheme. Default
	// MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
	Username, Password string
	// Token is sent by the bearer scheme if there is no Username. Default
	// MLFLOW_TRACKING_TOKEN.
	Token string
	// InsecureTLS accepts any certificate of the server. It is also set by
	// MLFLOW_TRACKING_INSECURE_TLS=true.
	InsecureTLS bool
	// ServerCert is a PEM file with the authorities to trust in place of the system's.
	// Default MLFLOW_TRACKING_SERVER_CERT_PATH.
	ServerCert string
	// ClientCert is a PEM file with a certificate and its key. Default
	// MLFLOW_TRACKING_CLIENT_CERT_PATH.
	ClientCert string
	// HTTPClient makes the requests, in the place of a client made from the three fields
	// above. Its Timeout must be 0, because a timeout would cut off large artifacts.
	// Redirects are not followed unless it has a CheckRedirect.
	HTTPClient *http.Client

	// Champion is the alias of the version in production, default "champion". Challenger is
	// the alias of the newest candidate, default "challenger". Previous is the alias of the
	// version to which a rollback goes back, default "previous".
	Champion, Challenger, Previous string
	// Stages also moves versions between MLflow's deprecated stages, for clients that ask
	// for models:/NAME/Production. Stages follow the alias; they are never read.
	Stages bool
	// ReadOnly never writes to the server. It is for processes that only serve, and may have
	// no right to write. A call that would write is an error. A change by another client is
	// reported, but enters the history only once a writer has seen it.
	ReadOnly bool
	// TrustForeign opens files of versions that other clients registered although nothing
	// vouches for their content, see [Registry.Adopt]. Without TrustForeign that is an error.
	TrustForeign bool

	// Timeout bounds each attempt of a request that carries no artifact. Default 30s.
	Timeout time.Duration
	// Attempts is the number of attempts at a request whose failures may pass. Default 5.
	Attempts int
	// Backoff is roughly the wait before the second attempt; each further wait is twice as
	// long, at most 5s. Default 200ms.
	Backoff time.Duration

	// Logger receives changes, repeated requests, and failures to tidy up. Nil is silent.
	Logger *slog.Logger
	// OnForeign, if not nil, is called once for each change of production by another client,
	// by the call that finds it, with the event that the history gets. A process that looks
	// after another process has written that event is not told. Processes that look at the
	// same moment, or before a writer does, are each told. OnForeign must not call the
	// Registry.
	OnForeign func(ctx context.Context, e registry.Event)
}

const maxBackoff = 5 * time.Second

// aliasPattern is the form that MLflow accepts. MLflow reserves "latest" and names that look
// like a version.
var (
	aliasPattern  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	aliasReserved = regexp.MustCompile(`(?i)^(latest|v\d+)$`)
)

func (c Config) withDefaults(env func(string) string) Config {
	c.URL = cmp.Or(c.URL, env("MLFLOW_TRACKING_URI"))
	if u, err := url.Parse(c.URL); err == nil && u.User != nil && c.Username == "" {
		c.Username = u.User.Username()
		c.Password, _ = u.User.Password()
	}
	if c.Username == "" && c.Password == "" && c.Token == "" {
		c.Username, c.Password = env("MLFLOW_TRACKING_USERNAME"), env("MLFLOW_TRACKING_PASSWORD")
		c.Token = env("MLFLOW_TRACKING_TOKEN")
	}
	if c.HTTPClient == nil {
		switch strings.ToLower(env("MLFLOW_TRACKING_INSECURE_TLS")) {
		case "true", "1":
			c.InsecureTLS = true
		}
		c.ServerCert = cmp.Or(c.ServerCert, env("MLFLOW_TRACKING_SERVER_CERT_PATH"))
		c.ClientCert = cmp.Or(c.ClientCert, env("MLFLOW_TRACKING_CLIENT_CERT_PATH"))
	}
	c.Experiment = cmp.Or(c.Experiment, "selfheal "+c.Model)
	c.Champion = cmp.Or(c.Champion, "champion")
	c.Challenger = cmp.Or(c.Challenger, "challenger")
	c.Previous = cmp.Or(c.Previous, "previous")
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.Attempts = cmp.Or(c.Attempts, 5)
	c.Backoff = cmp.Or(c.Backoff, 200*time.Millisecond)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	// The rest of a URL may be secret, so errors do not repeat it.
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		wrong("URL: cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		wrong("URL is %q, want http:// or https:// and a host", u.Scheme+"://"+u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		wrong("URL is one of the host %q, want no query and no fragment", u.Host)
	}
	if c.Model == "" || strings.ContainsAny(c.Model, `/:"`) {
		wrong(`Model is %q, want a name without '/', ':' and '"'`, c.Model)
	}
	aliases := map[string]string{}
	for _, a := range []struct{ field, alias string }{{"Champion", c.Champion}, {"Challenger", c.Challenger}, {"Previous", c.Previous}} {
		if !aliasPattern.MatchString(a.alias) || aliasReserved.MatchString(a.alias) {
			wrong("%s is %q, want letters, digits, '_' and '-', not \"latest\" and not like \"v1\"", a.field, a.alias)
		}
		if other, ok := aliases[a.alias]; ok {
			wrong("%s is %q, as is %s", a.field, a.alias, other)
		}
		aliases[a.alias] = a.field
	}
	if c.HTTPClient != nil {
		if c.HTTPClient.Timeout != 0 {
			wrong("HTTPClient has a Timeout of %v, want 0", c.HTTPClient.Timeout)
		}
		if c.InsecureTLS || c.ServerCert != "" || c.ClientCert != "" {
			wrong("InsecureTLS, ServerCert and ClientCert have no effect with an HTTPClient")
		}
	}
	if c.Timeout < 0 {
		wrong("Timeout is %v, want 0 or more", c.Timeout)
	}
	if c.Attempts < 0 {
		wrong("Attempts is %d, want 0 or more", c.Attempts)
	}
	if c.Backoff < 0 {
		wrong("Backoff is %v, want 0 or more", c.Backoff)
	}
	if len(errs) > 0 {
		return fmt.Errorf("mlflowregistry: invalid Config: %w", errors.Join(errs...))
	}
	return nil
}

// newClient returns a client for a valid Config with its defaults.
func newClient(c Config) (*client, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("mlflowregistry: URL cannot be parsed")
	}
	u.User = nil // is sent in a header
	cl := &client{base: strings.TrimRight(u.String(), "/") + "/api/2.0/", cfg: c}
	if c.HTTPClient != nil {
		cl.plain = *c.HTTPClient
	} else if cl.plain.Transport, err = c.transport(); err != nil {
		return nil, fmt.Errorf("mlflowregistry: %w", err)
	}
	if cl.plain.CheckRedirect == nil {
		// A redirected POST would become a GET; an error that names the target of the
		// redirect helps more.
		cl.plain.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return cl, nil
}

func (c Config) transport() (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: c.InsecureTLS},
	}
	if c.ServerCert != "" {
		pem, err := os.ReadFile(c.ServerCert)
		if err != nil {
			return nil, fmt.Errorf("ServerCert: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ServerCert: no certificate in %s", c.ServerCert)
		}
	}
	if c.ClientCert != "" {
		cert, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientCert)
		if err != nil {
			return nil, fmt.Errorf("ClientCert: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}

// isID reports whether s is a version number in the form of MLflow. MLflow also answers for
// "02", so one version would have two names.
func isID(s string) bool {
	n, err := strconv.ParseUint(s, 10, 31)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}
