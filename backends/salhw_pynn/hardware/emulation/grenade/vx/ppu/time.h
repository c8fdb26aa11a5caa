#include "../../../ppu.h"
