#include "c_test.h"

#include "crypto/aead.h"
#include "crypto/encode.h"

static cpx_buf from_hex(const char *hex) {
  cpx_buf b;
  cpx_buf_init(&b, 10000);
  if (cpx_hex_decode(cpx_slice_str(hex), &b)) abort();
  return b;
}

/* McGrew and Viega, The Galois/Counter Mode of Operation, test case 16. */
static void opens_the_published_vector(void) {
  cpx_buf key = from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  cpx_buf associated = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  cpx_buf plain =
      from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
               "b525b16aedf5aa0de657ba637b39");
  cpx_buf sealed = from_hex("cafebabefacedbaddecaf888"
                            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056"
                            "828838c5f61e6393ba7a0abcc9f662"
                            "76fc6ece0f4e1768cddf8853bb2d551b");
  cpx_buf out;
  cpx_buf_init(&out, 1000);
  CHECK_INT(cpx_aead_open((unsigned char *)key.data, cpx_buf_slice(&associated), cpx_buf_slice(&sealed), &out), 0);
  CHECK_BYTES(out.data, out.len, plain.data, plain.len);
  cpx_buf_cleanse(&out);
  cpx_buf_deinit(&key);
  cpx_buf_deinit(&associated);
  cpx_buf_deinit(&plain);
  cpx_buf_deinit(&sealed);
}

static const unsigned char key[CPX_AEAD_KEY] = "0123456789abcdef0123456789abcde";

static void seals_what_it_opens_and_never_twice_alike(void) {
  const char *texts[] = {"", "x", "a longer text, past one block of the cipher"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cpx_buf a, b, out;
    cpx_buf_init(&a, 1000);
    cpx_buf_init(&b, 1000);
    cpx_buf_init(&out, 1000);
    REQUIRE(cpx_aead_seal(key, CPX_SLICE("name"), cpx_slice_str(texts[i]), &a) == 0);
    REQUIRE(cpx_aead_seal(key, CPX_SLICE("name"), cpx_slice_str(texts[i]), &b) == 0);
    CHECK_INT(a.len, strlen(texts[i]) + CPX_AEAD_NONCE + CPX_AEAD_TAG);
    CHECK(!cpx_slice_eq(cpx_buf_slice(&a), cpx_buf_slice(&b)));
    CHECK_INT(cpx_aead_open(key, CPX_SLICE("name"), cpx_buf_slice(&a), &out), 0);
    CHECK_BYTES(out.data, out.len, texts[i], strlen(texts[i]));
    cpx_buf_cleanse(&a);
    cpx_buf_cleanse(&b);
    cpx_buf_cleanse(&out);
  }
}

static void refuses_whatever_differs_and_leaves_nothing_behind(void) {
  cpx_buf sealed, out;
  cpx_buf_init(&sealed, 1000);
  cpx_buf_init(&out, 1000);
  REQUIRE(cpx_buf_add_str(&out, "kept") == 0);
  REQUIRE(cpx_aead_seal(key, CPX_SLICE("name"), CPX_SLICE("secret text"), &sealed) == 0);
  for (size_t i = 0; i < sealed.len; i++) {
    sealed.data[i] ^= 1;
    CHECK_INT(cpx_aead_open(key, CPX_SLICE("name"), cpx_buf_slice(&sealed), &out), CPX_EFORGED);
    CHECK(out.len == 4 && memcmp(out.data, "kept", 4) == 0);
    CHECK(memmem(out.data, out.cap, "secret", 6) == NULL);
    sealed.data[i] ^= 1;
  }
  for (size_t n = 0; n < sealed.len; n++)
    CHECK_INT(cpx_aead_open(key, CPX_SLICE("name"), cpx_slice_of(sealed.data, n), &out), CPX_EFORGED);
  CHECK_INT(cpx_aead_open(key, CPX_SLICE("mane"), cpx_buf_slice(&sealed), &out), CPX_EFORGED);
  unsigned char other[CPX_AEAD_KEY] = {1};
  CHECK_INT(cpx_aead_open(other, CPX_SLICE("name"), cpx_buf_slice(&sealed), &out), CPX_EFORGED);
  CHECK_INT(cpx_aead_open(key, CPX_SLICE("name"), cpx_buf_slice(&sealed), &out), 0);
  CHECK_BYTES(out.data, out.len, "keptsecret text", 15);
  cpx_buf_cleanse(&sealed);
  cpx_buf_cleanse(&out);
}

static void keeps_to_the_bound_of_its_output(void) {
  cpx_buf small;
  cpx_buf_init(&small, 20);
  CHECK_INT(cpx_aead_seal(key, CPX_SLICE(""), CPX_SLICE("secret text"), &small), CPX_ETOOBIG);
  CHECK_INT(small.len, 0);
  cpx_buf_cleanse(&small);
}

int main(int argc, char **argv) {
  ct_init(argc, argv);
  RUN(opens_the_published_vector);
  RUN(seals_what_it_opens_and_never_twice_alike);
  RUN(refuses_whatever_differs_and_leaves_nothing_behind);
  RUN(keeps_to_the_bound_of_its_output);
  return ct_summary();
}
