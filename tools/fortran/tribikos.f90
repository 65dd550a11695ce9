! Predictions by a trained network, for Fortran: what model.h of libtribikos describes.
!   type(tribikos_model) :: model
!   call tribikos_open(model, "student/hydra/weights.h5", status)
!   call tribikos_predict(model, x, status, probabilities=p, model_uncertainty=u)
!   call tribikos_close(model)
!
! Arrays are those of C with the order of indices reversed: x(inputs, rows), logits(outputs, heads, rows),
! probabilities(outputs, rows), calibrated(outputs, rows). They must be contiguous. x has the kind c_float or c_double.
! status is 0 or a code of model.h, and tribikos_message() says why.
module tribikos
   use, intrinsic :: iso_c_binding
   implicit none
   private
   public :: tribikos_open, tribikos_close, tribikos_predict, tribikos_message, tribikos_class_name, tribikos_input_name
   type, public :: tribikos_model
      type(c_ptr) :: handle = c_null_ptr
      integer :: inputs = 0, heads = 0, outputs = 0
      logical :: is_regression = .false.
   end type
   type, bind(c) :: outputs_of_c
      type(c_ptr) :: logits = c_null_ptr, probabilities = c_null_ptr
      type(c_ptr) :: total_uncertainty = c_null_ptr, model_uncertainty = c_null_ptr, data_uncertainty = c_null_ptr
      type(c_ptr) :: mean = c_null_ptr, std = c_null_ptr, model_std = c_null_ptr, data_std = c_null_ptr, calibrated = c_null_ptr
   end type
   abstract interface
      integer(c_size_t) function size_of(model) bind(c)
         import :: c_ptr, c_size_t
         type(c_ptr), value :: model
      end function
      type(c_ptr) function name_of(model, i) bind(c)
         import :: c_ptr, c_size_t
         type(c_ptr), value :: model
         integer(c_size_t), value :: i
      end function
      integer(c_int) function predict_of(model, n, x, out) bind(c)
         import :: c_ptr, c_size_t, c_int, outputs_of_c
         type(c_ptr), value :: model, x
         integer(c_size_t), value :: n
         type(outputs_of_c), intent(in) :: out
      end function
   end interface
   procedure(size_of), bind(c, name="trb_model_inputs") :: inputs_c
   procedure(size_of), bind(c, name="trb_model_heads") :: heads_c
   procedure(size_of), bind(c, name="trb_model_outputs_of_head") :: outputs_c
   procedure(name_of), bind(c, name="trb_model_class_name") :: class_name_c
   procedure(name_of), bind(c, name="trb_model_input_name") :: input_name_c
   procedure(predict_of), bind(c, name="trb_model_predict") :: predict_c
   procedure(predict_of), bind(c, name="trb_model_predict_double") :: predict_double_c
   interface
      integer(c_int) function open_c(path, block, model) bind(c, name="trb_model_open")
         import :: c_char, c_size_t, c_ptr, c_int
         character(kind=c_char), intent(in) :: path(*)
         integer(c_size_t), value :: block
         type(c_ptr), intent(out) :: model
      end function
      subroutine close_c(model) bind(c, name="trb_model_close")
         import :: c_ptr
         type(c_ptr), value :: model
      end subroutine
      type(c_ptr) function message_c(model) bind(c, name="trb_model_message")
         import :: c_ptr
         type(c_ptr), value :: model
      end function
      pure integer(c_size_t) function strlen_c(text) bind(c, name="strlen")
         import :: c_ptr, c_size_t
         type(c_ptr), value :: text
      end function
      integer(c_int) function is_regression_c(model) bind(c, name="trb_model_is_regression")
         import :: c_ptr, c_int
         type(c_ptr), value :: model
      end function
   end interface
contains
   ! block: rows that are computed at once; 256 if it is left out
   subroutine tribikos_open(model, path, status, block)
      type(tribikos_model), intent(out) :: model
      character(*), intent(in) :: path
      integer, intent(out) :: status
      integer, intent(in), optional :: block
      integer(c_size_t) :: rows
      rows = 0
      if (present(block)) rows = block
      status = open_c(trim(path)//c_null_char, rows, model%handle)
      if (status /= 0) return
      model%inputs = int(inputs_c(model%handle))
      model%heads = int(heads_c(model%handle))
      model%outputs = int(outputs_c(model%handle))
      model%is_regression = is_regression_c(model%handle) /= 0
   end subroutine
   subroutine tribikos_close(model)
      type(tribikos_model), intent(inout) :: model
      call close_c(model%handle)
      model%handle = c_null_ptr
   end subroutine
   subroutine tribikos_predict(model, x, status, logits, probabilities, total_uncertainty, model_uncertainty, &
                               data_uncertainty, mean, std, model_std, data_std, calibrated)
      type(tribikos_model), intent(in) :: model
      class(*), intent(in), target, contiguous :: x(:, :)
      integer, intent(out) :: status
      real(c_float), intent(out), target, contiguous, optional :: logits(:, :, :), probabilities(:, :), calibrated(:, :)
      real(c_double), intent(out), target, contiguous, dimension(:), optional :: total_uncertainty, &
         model_uncertainty, data_uncertainty, mean, std, model_std, data_std
      type(outputs_of_c) :: out
      if (present(logits)) out%logits = c_loc(logits)
      if (present(probabilities)) out%probabilities = c_loc(probabilities)
      if (present(total_uncertainty)) out%total_uncertainty = c_loc(total_uncertainty)
      if (present(model_uncertainty)) out%model_uncertainty = c_loc(model_uncertainty)
      if (present(data_uncertainty)) out%data_uncertainty = c_loc(data_uncertainty)
      if (present(mean)) out%mean = c_loc(mean)
      if (present(std)) out%std = c_loc(std)
      if (present(model_std)) out%model_std = c_loc(model_std)
      if (present(data_std)) out%data_std = c_loc(data_std)
      if (present(calibrated)) out%calibrated = c_loc(calibrated)
      status = -2 ! x of another kind
      select type (x)
      type is (real(c_float)); status = predict_c(model%handle, size(x, 2, c_size_t), c_loc(x), out)
      type is (real(c_double)); status = predict_double_c(model%handle, size(x, 2, c_size_t), c_loc(x), out)
      end select
   end subroutine
   function text_of(from) result(text)
      type(c_ptr), intent(in) :: from
      character(:), allocatable :: text
      character(kind=c_char), pointer :: letters(:)
      text = ""
      if (.not. c_associated(from)) return
      call c_f_pointer(from, letters, [strlen_c(from)])
      text = transfer(letters, repeat(" ", size(letters)))
   end function
   ! Why the last call failed; without a model, why tribikos_open failed
   function tribikos_message(model) result(text)
      type(tribikos_model), intent(in), optional :: model
      character(:), allocatable :: text
      if (present(model)) text = text_of(message_c(model%handle))
      if (.not. present(model)) text = text_of(message_c(c_null_ptr))
   end function
   ! The name of class k, or of input i = 1, 2, ...; "" if the file has no names
   function tribikos_class_name(model, k) result(text)
      type(tribikos_model), intent(in) :: model
      integer, intent(in) :: k
      character(:), allocatable :: text
      text = text_of(class_name_c(model%handle, int(k - 1, c_size_t)))
   end function
   function tribikos_input_name(model, i) result(text)
      type(tribikos_model), intent(in) :: model
      integer, intent(in) :: i
      character(:), allocatable :: text
      text = text_of(input_name_c(model%handle, int(i - 1, c_size_t)))
   end function
end module
