package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// certificateLife is how long a certificate made for one run is valid.
const certificateLife = 30 * 24 * time.Hour

// serverTLS gives the instrument's side of tls. Without -cert it makes a
// certificate for this run: trust then holds it, and notice tells a person how
// the workstation comes to know it.
func serverTLS(cfg config) (conf *tls.Config, trust *x509.CertPool, notice string, err error) {
	if !strings.HasPrefix(cfg.address, "tls://") {
		return nil, nil, "", nil
	}
	conf = &tls.Config{MinVersion: tls.VersionTLS13}
	if cfg.cert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.cert, cfg.key)
		if err != nil {
			return nil, nil, "", fmt.Errorf("-cert, -key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	} else {
		pair, err := makeCertificate(hostOf(cfg.address), x509.ExtKeyUsageServerAuth, time.Now())
		if err != nil {
			return nil, nil, "", fmt.Errorf("making a certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
		trust = x509.NewCertPool()
		trust.AddCert(pair.Leaf)
		notice = "no -cert: this certificate was made for this run. Put it in a file and give that to the workstation with -ca:\n" +
			string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	}
	if cfg.ca != "" {
		if conf.ClientCAs, err = readPool(cfg.ca); err != nil {
			return nil, nil, "", err
		}
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return conf, trust, notice, nil
}

// clientTLS gives the workstation's side of tls.
func clientTLS(cfg config) (*tls.Config, error) {
	if !strings.HasPrefix(cfg.address, "tls://") {
		return nil, nil
	}
	name := cfg.serverName
	if name == "" {
		name = hostOf(cfg.address)
	}
	conf := &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: name, RootCAs: cfg.trust,
		InsecureSkipVerify: cfg.insecure, //nolint:gosec // The user said -insecure, whose help names the price.
	}
	if cfg.cert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.cert, cfg.key)
		if err != nil {
			return nil, fmt.Errorf("-cert, -key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	if cfg.ca != "" {
		pool, err := readPool(cfg.ca)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	return conf, nil
}

func readPool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("-ca %s: no certificate in it; it wants PEM (-----BEGIN CERTIFICATE-----)", path)
	}
	return pool, nil
}

// makeCertificate makes a self-signed certificate for host and for whatever this
// machine is called, so that a listener on all interfaces has one too.
func makeCertificate(host string, usage x509.ExtKeyUsage, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	names, addresses := namesOf(host)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "serpy example instrument"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true, DNSNames: names, IPAddresses: addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func namesOf(host string) (names []string, addresses []net.IP) {
	names = []string{"localhost"}
	addresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if ip := net.ParseIP(host); ip != nil {
		addresses = append(addresses, ip)
	} else if host != "" {
		names = append(names, host)
	}
	if name, err := os.Hostname(); err == nil && printable(name) {
		names = append(names, name)
	}
	if all, err := net.InterfaceAddrs(); err == nil {
		for _, a := range all {
			if ip, ok := a.(*net.IPNet); ok {
				addresses = append(addresses, ip.IP)
			}
		}
	}
	return names, addresses
}

// printable says whether a certificate can hold name: names are ASCII there.
func printable(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}
