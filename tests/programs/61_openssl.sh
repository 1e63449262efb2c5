# openssl: digests, ciphers, key derivation, signatures, certificates, and a TLS session over a socket.
# shellcheck shell=bash disable=SC2034
needs=(openssl awk)
witness=(openssl)

# Keys and certificates are random and dated, so they are made once for both runs.
prepare() {
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$INPUT/rsa.pem"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$INPUT/ec.pem"
  openssl req -x509 -new -key "$INPUT/rsa.pem" -subj /CN=localhost -days 2 -set_serial 7 -out "$INPUT/cert.pem"
  awk 'BEGIN { for (i = 0; i < 300000; ++i) print i, i * i % 65521 }' >"$INPUT/data.txt"
}

symmetric() {
  local digest cipher
  for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst "-$digest" <"$INPUT/data.txt"; done
  for cipher in aes-128-cbc aes-256-ctr camellia-256-cbc chacha20; do
    openssl enc "-$cipher" -pbkdf2 -pass pass:secret -S 0123456789abcdef -in "$INPUT/data.txt" -out data.enc
    sha256sum data.enc
    openssl enc -d "-$cipher" -pbkdf2 -pass pass:secret -S 0123456789abcdef -in data.enc | cmp - "$INPUT/data.txt"
  done
  openssl kdf -keylen 32 -kdfopt pass:secret -kdfopt salt:salt -kdfopt n:16384 -kdfopt r:8 -kdfopt p:1 SCRYPT
  openssl base64 -in "$INPUT/data.txt" | openssl base64 -d | sha256sum
}

asymmetric() {
  openssl pkey -in "$INPUT/rsa.pem" -pubout -out rsa.pub
  openssl pkey -in "$INPUT/rsa.pem" -text -noout | sha256sum
  openssl dgst -sha256 -sign "$INPUT/rsa.pem" "$INPUT/data.txt" | sha256sum  # PKCS #1 v1.5: no randomness
  openssl pkey -in "$INPUT/ec.pem" -pubout -out ec.pub
  openssl dgst -sha256 -sign "$INPUT/ec.pem" -out ec.sig "$INPUT/data.txt"
  openssl dgst -sha256 -verify ec.pub -signature ec.sig "$INPUT/data.txt"
  openssl x509 -in "$INPUT/cert.pem" -text -noout
  openssl verify -CAfile "$INPUT/cert.pem" "$INPUT/cert.pem"
  openssl genrsa -out fresh.pem 1024 2>/dev/null
  openssl rsa -in fresh.pem -check -noout
  openssl prime -generate -bits 256 | wc -l
}

# Each session ends when the server sees the line CLOSE, so the client need not wait.
# The name of the socket is relative because OpenSSL has room for 31 bytes of it.
tls() {
  openssl s_server -unix s -cert "$INPUT/cert.pem" -key "$INPUT/rsa.pem" -rev -quiet >server.log 2>&1 &
  server=$!
  trap 'kill -KILL "$server" 2>/dev/null || true' EXIT
  local try
  for ((try = 0; try < 200; ++try)); do
    [ ! -S s ] || break
    sleep 0.05
  done
  for try in 1 2 3 4 5 6 7 8; do
    printf 'hello %s\nCLOSE\n' "$try" | timeout 20 openssl s_client -unix s \
      -CAfile "$INPUT/cert.pem" -verify_return_error -quiet 2>/dev/null
  done
  kill -TERM "$server"
  wait "$server" || echo "server status $?"
  trap - EXIT
  cat server.log
}

workload() {
  symmetric
  asymmetric
  tls
}
