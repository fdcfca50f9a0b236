#include "c_test.h"

#include "crypto/digest.h"
#include "crypto/encode.h"
#include "crypto/random.h"

static void check_hex(const unsigned char *bytes, size_t n, const char *expected) {
  cpx_buf b;
  cpx_buf_init(&b, 1000);
  CHECK_INT(cpx_hex_encode(cpx_slice_of((const char *)bytes, n), &b), 0);
  CHECK(cpx_slice_eq(cpx_buf_slice(&b), cpx_slice_str(expected)));
  cpx_buf_deinit(&b);
}

static void digests_match_the_standards_vectors(void) {
  unsigned char out[CPX_DIGEST_MAX];
  REQUIRE(cpx_digest(CPX_SHA1, CPX_SLICE("abc"), out) == 0);
  check_hex(out, cpx_digest_len(CPX_SHA1), "a9993e364706816aba3e25717850c26c9cd0d89d");
  REQUIRE(cpx_digest(CPX_SHA256, CPX_SLICE("abc"), out) == 0);
  check_hex(out, cpx_digest_len(CPX_SHA256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  REQUIRE(cpx_digest(CPX_SHA256, cpx_slice_of(NULL, 0), out) == 0);
  check_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  REQUIRE(cpx_digest(CPX_SHA512, CPX_SLICE("abc"), out) == 0);
  check_hex(out, cpx_digest_len(CPX_SHA512),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void hmac_matches_rfc_4231(void) {
  unsigned char out[CPX_DIGEST_MAX];
  REQUIRE(cpx_hmac(CPX_SHA256, CPX_SLICE("Jefe"), CPX_SLICE("what do ya want for nothing?"), out) == 0);
  check_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  REQUIRE(cpx_hmac(CPX_SHA256, cpx_slice_of(NULL, 0), cpx_slice_of(NULL, 0), out) == 0);
  check_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void random_bytes_differ_and_fill_the_whole_run(void) {
  static unsigned char a[200000], b[200000];
  REQUIRE(cpx_random(a, sizeof a) == 0);
  REQUIRE(cpx_random(b, sizeof b) == 0);
  CHECK(memcmp(a, b, sizeof a) != 0);
  int zeros = 0;
  for (size_t i = sizeof a - 4096; i < sizeof a; i++) zeros += a[i] == 0;
  CHECK(zeros < 100);
  char id[CPX_UUID_LEN + 1], other[CPX_UUID_LEN + 1];
  REQUIRE(cpx_random_uuid(id) == 0 && cpx_random_uuid(other) == 0);
  CHECK_INT(strlen(id), CPX_UUID_LEN);
  CHECK(id[14] == '4' && strchr("89ab", id[19]) && strcmp(id, other) != 0);
}

static void secrets_are_compared_by_value(void) {
  CHECK(cpx_secret_eq(CPX_SLICE("key"), CPX_SLICE("key")));
  CHECK(cpx_secret_eq(cpx_slice_of(NULL, 0), CPX_SLICE("")));
  CHECK(!cpx_secret_eq(CPX_SLICE("key"), CPX_SLICE("kez")));
  CHECK(!cpx_secret_eq(CPX_SLICE("key"), CPX_SLICE("keys")));
}

typedef int (*coder)(cpx_slice in, cpx_buf *out);

static void round_trip(coder encode, coder decode) {
  char bytes[100];
  REQUIRE(cpx_random(bytes, sizeof bytes) == 0);
  for (size_t n = 0; n <= sizeof bytes; n++) {
    cpx_buf text, back;
    cpx_buf_init(&text, 1000);
    cpx_buf_init(&back, 1000);
    REQUIRE(encode(cpx_slice_of(bytes, n), &text) == 0);
    REQUIRE(decode(cpx_buf_slice(&text), &back) == 0);
    CHECK(cpx_slice_eq(cpx_buf_slice(&back), cpx_slice_of(bytes, n)));
    cpx_buf_deinit(&text);
    cpx_buf_deinit(&back);
  }
}

static void encodings_come_back(void) {
  round_trip(cpx_hex_encode, cpx_hex_decode);
  round_trip(cpx_base64_encode, cpx_base64_decode);
  round_trip(cpx_base64url_encode, cpx_base64url_decode);
}

static void damaged_text_is_refused(void) {
  static const struct {
    coder decode;
    const char *text;
  } cases[] = {
      {cpx_hex_decode, "a"},           {cpx_hex_decode, "0g"},          {cpx_base64_decode, "Zg"},
      {cpx_base64_decode, "Zg="},      {cpx_base64_decode, "Zg==Zg=="}, {cpx_base64_decode, "Zh=="},
      {cpx_base64_decode, "Zm9="},     {cpx_base64_decode, "Z=9v"},     {cpx_base64_decode, "===="},
      {cpx_base64_decode, "Zm 9"},     {cpx_base64_decode, "_-_-"},     {cpx_base64url_decode, "Z"},
      {cpx_base64url_decode, "+/+/"},  {cpx_base64url_decode, "Zm9v="}, {cpx_base64url_decode, "\xff\xff"},
      {cpx_base64url_decode, "Zg==="},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cpx_buf out;
    cpx_buf_init(&out, 1000);
    int err = cases[i].decode(cpx_slice_str(cases[i].text), &out);
    if (err != CPX_ESYNTAX) fprintf(stderr, "accepted: %s\n", cases[i].text);
    CHECK_INT(err, CPX_ESYNTAX);
    cpx_buf_deinit(&out);
  }
}

static void output_stays_in_its_bound(void) {
  cpx_buf out;
  cpx_buf_init(&out, 7);
  CHECK_INT(cpx_base64_encode(CPX_SLICE("foobar"), &out), CPX_ETOOBIG);
  CHECK_INT(cpx_hex_encode(CPX_SLICE("foobar"), &out), CPX_ETOOBIG);
  CHECK_INT(out.len, 0);
  cpx_buf_deinit(&out);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(digests_match_the_standards_vectors);
  RUN(hmac_matches_rfc_4231);
  RUN(random_bytes_differ_and_fill_the_whole_run);
  RUN(secrets_are_compared_by_value);
  RUN(encodings_come_back);
  RUN(damaged_text_is_refused);
  RUN(output_stays_in_its_bound);
  return ct_summary();
}
