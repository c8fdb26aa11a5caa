#include "../ppu.h"
