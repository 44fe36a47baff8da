// A stranger's C++17 program.
#include <cheng.h>
#include <iostream>

int main()
{
    std::cout << "C++: cheng " << cheng_version() << '\n';
    return 0;
}
