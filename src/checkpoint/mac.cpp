#include "checkpoint/mac.hpp"

#include <joblib_mpi/error.hpp>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <string>

namespace joblib_mpi {
namespace {

/// Checks what a function of OpenSSL returned, which is above 0 if it succeeded.
void check_openssl(int returned, const char* what) {
  if (returned <= 0) throw Error(std::string("OpenSSL failed at ") + what);
}

const unsigned char* octets(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

MacKey::MacKey(ByteView secret)
    : key_(EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr, octets(secret), secret.size()), &EVP_PKEY_free) {
  check_openssl(key_ ? 1 : 0, "making a key");
}

Mac MacKey::mac_of(std::span<const ByteView> pieces) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  check_openssl(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()), "starting a code");
  for (const ByteView piece : pieces) {
    check_openssl(EVP_DigestSignUpdate(context.get(), octets(piece), piece.size()), "computing a code");
  }
  Mac mac{};
  std::size_t size = mac.size();
  check_openssl(EVP_DigestSignFinal(context.get(), reinterpret_cast<unsigned char*>(mac.data()), &size),
                "finishing a code");
  return mac;
}

bool is_equal(const Mac& a, const Mac& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace joblib_mpi
