# Prints a C++ program that makes a compiler allocate: many class templates, deep instantiation, lambdas,
# standard containers. Usage: awk -v count=N -f generate_templates.awk </dev/null
BEGIN {
  print "#include <algorithm>\n#include <cstdio>\n#include <functional>\n#include <map>\n#include <string>"
  print "#include <tuple>\n#include <unordered_map>\n#include <variant>\n#include <vector>"
  print "template <int N> struct Sum { static constexpr long value = N + Sum<N - 1>::value; };"
  print "template <> struct Sum<0> { static constexpr long value = 0; };"
  for (i = 0; i < count; ++i) {
    printf "template <typename T, int N> struct Box%d {\n", i
    printf "  std::map<std::string, std::vector<std::tuple<T, int, std::string>>> rows;\n"
    printf "  std::variant<std::monostate, T, std::string> last{T(%d)};\n", i
    printf "  long fill() {\n    for (int k = 0; k < N; ++k)\n"
    printf "      rows[\"key\" + std::to_string(k %% 7)].emplace_back(T(k), k * %d, std::string(k, 'a'));\n", i + 1
    printf "    long total = Sum<N + %d>::value;\n", 20 + i
    printf "    for (auto& [key, list] : rows) {\n"
    printf "      std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {\n"
    printf "        return std::get<1>(a) * %d %% 31 < std::get<1>(b) * %d %% 31; });\n", i + 3, i + 3
    printf "      for (auto& row : list) total += long(std::get<0>(row)) + std::get<1>(row) +\n"
    printf "                                      long(std::get<2>(row).size());\n    }\n"
    printf "    return total + long(last.index());\n  }\n};\n"
  }
  print "int main() {\n  std::unordered_map<int, std::function<long()>> calls;"
  split("int long double", types, " ")
  for (i = 0; i < count; ++i) {
    printf "  calls[%d] = [] { Box%d<%s, %d> box; return box.fill(); };\n", i, i, types[i % 3 + 1], 10 + i % 13
  }
  printf "  for (int i = 0; i < %d; ++i) std::printf(\"%%d %%ld\\n\", i, calls[i]());\n}\n", count
}
